import type { Decider } from "../decider.js";
import { never } from "../decider.js";
import { DomainError } from "../error.js";
import { checkLength } from "../text.js";
import type { CreateTenant, TenantCommand } from "./commands.js";
import type { TenantEvent } from "./events.js";
import { decideLimits } from "./limits.js";
import { decideRetention } from "./retention.js";
import { evolve, initialState } from "./state.js";
import type { TenantState } from "./state.js";

export function decide(command: TenantCommand, state: TenantState): readonly TenantEvent[] {
  if (command.type === "CreateTenant") return decideCreation(command, state);
  if (!state.exists) throw new DomainError("NOT_FOUND", "there is no such tenant: create it first");
  switch (command.type) {
    case "SetTenantLimits":
      return decideLimits(command, state);
    case "SetRetention":
      return decideRetention(command, state);
    default:
      return never(command);
  }
}

function decideCreation(command: CreateTenant, state: TenantState): readonly TenantEvent[] {
  const { tenantId, name } = command.data;
  if (state.exists) throw new DomainError("ALREADY_EXISTS", `tenant ${tenantId} exists already`);
  if (name.trim() === "") throw new DomainError("INVALID_VALUE", "a tenant needs a name that is not blank");
  checkLength("name", name, 255);
  return [{ type: "TenantCreated", data: { tenantId, name } }];
}

export const tenantDecider: Decider<TenantState, TenantCommand, TenantEvent> = { initialState, decide, evolve };
