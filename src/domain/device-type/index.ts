export * from "./events.js";
export * from "./commands.js";
export type { DeviceTypeState } from "./state.js";
export { deviceTypeDecider } from "./decide.js";
