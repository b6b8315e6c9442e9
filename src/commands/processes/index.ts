/** The process managers: what the platform does on its own when something is reported, seen, or no longer seen. */
export { startDeviceActivity } from "./device-activity.js";
export type { DeviceActivity, DeviceActivityDeps, DeviceActivityOptions, OnlineDevice } from "./device-activity.js";
export { createDeviceActivityQueries } from "./device-activity-queries.js";
export type { DeviceActivityQueries } from "./device-activity-queries.js";
export { createDeviceHealthQueries } from "./device-health.js";
export type { DeviceHealth, DeviceHealthQueries } from "./device-health.js";
export { startOrphanedAlerts } from "./orphaned-alerts.js";
export type { OrphanedAlertsDeps } from "./orphaned-alerts.js";
export { startDeviceReports } from "./device-reports.js";
export type { DeviceReportsDeps, DeviceReportsOptions } from "./device-reports.js";
