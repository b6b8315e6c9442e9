export type { Session } from "./context.js";
export type { GraphqlDeps } from "./deps.js";
export { MAX_COMPLEXITY, MAX_DEPTH } from "./limits.js";
export { createGraphqlSchema, printFleetlogSchema } from "./schema.js";
export { createGraphqlRoutes } from "./server.js";
export type { GraphqlOptions } from "./server.js";
