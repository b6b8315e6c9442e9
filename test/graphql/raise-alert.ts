import type { Severity } from "../../src/domain/alert-rule/index.js";
import { alertId, deviceId, ruleId, tenantId } from "../../src/domain/ids.js";
import { newId } from "../../src/platform/ids.js";
import { at, system } from "../support/river.js";
import type { Api } from "./api.js";

/** Raises an alert as the processor does, and waits until it is shown. Gives its id. */
export async function raiseAlert(
  { river }: Pick<Api, "river">,
  tenant: string,
  given: { readonly ruleId?: string; readonly deviceId?: string; readonly severity?: Severity } = {},
): Promise<string> {
  const id = alertId(newId());
  const now = at();
  const data = {
    tenantId: tenantId(tenant),
    alertId: id,
    ruleId: ruleId(given.ruleId ?? newId()),
    ruleVersion: 1,
    deviceId: deviceId(given.deviceId ?? "press-1"),
    severity: given.severity ?? "HIGH",
    message: "temperature 95 is above 90",
    metric: "temperature",
    value: 95,
    threshold: 90,
    since: now,
    triggeredAt: now,
  } as const;
  const { position } = await river.commands.execute({
    category: "alert",
    tenantId: tenant,
    id,
    command: { type: "RaiseAlert", at: now, data },
    actor: system,
  });
  if (!(await river.shown.wait("alert", position, 30_000))) throw new Error("the alert was not shown within 30 s");
  return id;
}
