export { registerExport } from "./export.js";
export type { ExportDeps } from "./export.js";
export type { OperationsDeps, Readiness } from "./operations.js";
export { startHttpServer } from "./server.js";
export type { HttpServer, HttpServerDeps } from "./server.js";
export { bearerToken, createTokenVerifier, issueToken, verifyToken } from "./tokens.js";
export type { Session, TokenClaims } from "./tokens.js";
