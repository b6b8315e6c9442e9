import type { Decider } from "../decider.js";
import { never } from "../decider.js";
import { DomainError } from "../error.js";
import { checkLength, MAX_REMARK_LENGTH } from "../text.js";
import type { AlertCommand } from "./commands.js";
import type { AlertEvent } from "./events.js";
import type { AlertState } from "./state.js";
import { evolve, initialState } from "./state.js";

/** One alert is one episode: its id is derived from (rule, device, episode), so raising it twice is raising it once. */
export function decide(command: AlertCommand, state: AlertState): readonly AlertEvent[] {
  if (command.type === "RaiseAlert") {
    return state.status === "ABSENT" ? [{ type: "AlertRaised", data: command.data }] : [];
  }
  if (state.status === "ABSENT") throw new DomainError("NOT_FOUND", "there is no such alert in this tenant");
  checkLength("note", command.data.note, MAX_REMARK_LENGTH);
  switch (command.type) {
    case "AcknowledgeAlert":
      if (state.status === "ACKNOWLEDGED") return [];
      if (state.status === "RESOLVED") {
        throw new DomainError("ILLEGAL_TRANSITION", "the alert is RESOLVED: only an ACTIVE one can be acknowledged", {
          from: state.status,
          command: command.type,
        });
      }
      return [{ type: "AlertAcknowledged", data: command.data }];
    case "ResolveAlert":
      return state.status === "RESOLVED" ? [] : [{ type: "AlertResolved", data: command.data }];
    default:
      return never(command);
  }
}

export const alertDecider: Decider<AlertState, AlertCommand, AlertEvent> = { initialState, decide, evolve };
