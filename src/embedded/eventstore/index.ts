export { startEventStore } from "./server.js";
export type { EventStoreOptions, EventStoreServer } from "./server.js";
