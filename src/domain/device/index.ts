export * from "./events.js";
export * from "./commands.js";
export type { DeviceState, DeviceStatus, RegisteredDevice } from "./state.js";
export { deviceDecider } from "./decide.js";
export { withChanges } from "./details.js";
export { MAX_CREDENTIALS } from "./credentials.js";
