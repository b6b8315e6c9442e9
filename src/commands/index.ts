export { actorName, PLATFORM, userRoles } from "./actor.js";
export type { Actor, UserRole } from "./actor.js";
export { newApiKey } from "./api-key.js";
export { createCommands } from "./commands.js";
export type { Commands } from "./commands.js";
export type { CommandOutcome, CommandRequest } from "./handler.js";
