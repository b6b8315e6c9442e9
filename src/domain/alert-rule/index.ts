export * from "./events.js";
export * from "./commands.js";
export type { AlertRuleState } from "./state.js";
export { alertRuleDecider } from "./decide.js";
