import type { Decider } from "../decider.js";
import { DomainError } from "../error.js";
import { checkLength } from "../text.js";
import type { TenantCommand } from "./commands.js";
import type { TenantEvent } from "./events.js";
import { evolve, initialState } from "./state.js";
import type { TenantState } from "./state.js";

export function decide(command: TenantCommand, state: TenantState): readonly TenantEvent[] {
  const { tenantId, name } = command.data;
  if (state.exists) throw new DomainError("ALREADY_EXISTS", `tenant ${tenantId} exists already`);
  if (name.trim() === "") throw new DomainError("INVALID_VALUE", "a tenant needs a name that is not blank");
  checkLength("name", name, 255);
  return [{ type: "TenantCreated", data: { tenantId, name } }];
}

export const tenantDecider: Decider<TenantState, TenantCommand, TenantEvent> = { initialState, decide, evolve };
