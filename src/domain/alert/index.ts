export * from "./events.js";
export * from "./commands.js";
export type { AlertState, AlertStatus } from "./state.js";
export { alertDecider } from "./decide.js";
