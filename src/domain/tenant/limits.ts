import { DomainError } from "../error.js";
import { sameJson } from "../json.js";
import type { SetTenantLimits } from "./commands.js";
import type { Limits, RateLimit, TenantEvent, TenantLimits } from "./events.js";
import type { TenantState } from "./state.js";

export function decideLimits(command: SetTenantLimits, state: TenantState): readonly TenantEvent[] {
  const { limits } = command.data;
  check(limits);
  return sameJson(limits, state.limits) ? [] : [{ type: "TenantLimitsChanged", data: { limits } }];
}

function check(limits: TenantLimits): void {
  for (const scope of ["tenant", "device"] as const) {
    const { messages, bytes, connections }: Limits = limits[scope] ?? {};
    checkRate(`${scope}.messages`, messages);
    checkRate(`${scope}.bytes`, bytes);
    if (connections !== undefined && !(Number.isSafeInteger(connections) && connections >= 1)) {
      throw new DomainError("INVALID_VALUE", `${scope}.connections ${connections} is not a whole number from 1`);
    }
  }
}

function checkRate(name: string, rate: RateLimit | undefined): void {
  if (rate === undefined) return;
  const { perSecond, burst } = rate;
  // A bucket that never fills, or never holds one, would shut the door for good: that is what deactivating is for.
  if (!(perSecond > 0 && Number.isFinite(perSecond))) {
    throw new DomainError("INVALID_VALUE", `${name}.perSecond ${perSecond} is not a finite number above 0`);
  }
  if (!(burst >= 1 && Number.isFinite(burst))) {
    throw new DomainError("INVALID_VALUE", `${name}.burst ${burst} is not a finite number from 1`);
  }
}
