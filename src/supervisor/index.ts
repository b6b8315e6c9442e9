/** One machine's processes: who starts, watches and stops them. */
export { startPlatform } from "./supervisor.js";
export type { Platform, SupervisorOptions } from "./supervisor.js";
