export * from "./events.js";
export * from "./commands.js";
export type { TenantState } from "./state.js";
export { tenantDecider } from "./decide.js";
export { checkRetention } from "./retention.js";
