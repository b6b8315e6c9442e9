export { loadServerCertificate } from "./server-certificate.js";
export type { ServerCertificate, ServerCertificateOptions } from "./server-certificate.js";
