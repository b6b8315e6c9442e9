import type { Reading } from "../../src/ingest/index.js";
import { encodeFrame } from "../../src/ingest/index.js";
import { ruleId } from "../../src/domain/ids.js";
import type { RuleId, TenantId } from "../../src/domain/ids.js";
import type { AlertRuleCommand, RuleDefinition } from "../../src/domain/alert-rule/index.js";
import { newId } from "../../src/platform/ids.js";
import { subjects } from "../../src/platform/subjects.js";
import type { AlertDocument } from "../../src/projections/index.js";
import { at, system } from "../support/river.js";
import type { River } from "../support/river.js";
import { reading } from "./rules/documents.js";

/** Temperature above 90, at once. */
const definition: RuleDefinition = {
  name: "too hot",
  filter: {},
  condition: { metric: "temperature", operator: "GT", threshold: 90, forSeconds: 0 },
  severity: "HIGH",
  cooldownSeconds: 0,
  notificationChannels: [],
};

export async function createRule(
  river: River,
  tenant: TenantId,
  changes: Partial<RuleDefinition> = {},
): Promise<RuleId> {
  const id = ruleId(newId());
  const data = { tenantId: tenant, ruleId: id, ...definition, ...changes };
  await giveRule(river, tenant, id, { type: "CreateAlertRule", at: at(), data });
  return id;
}

/** Returns once the read model shows it: the processor reads it there when it starts. */
export async function giveRule(river: River, tenant: TenantId, id: RuleId, command: AlertRuleCommand): Promise<void> {
  const { position } = await river.commands.execute({
    category: "alertRule",
    tenantId: tenant,
    id,
    command,
    actor: system,
  });
  await river.shown.wait("alertRule", position, 10_000);
}

/** One frame with a reading per `[device, seconds, temperature]`, stored in JetStream. */
export async function send(
  river: Pick<River, "nats">,
  tenant: TenantId,
  ...readings: readonly (readonly [device: string, at: number, temperature: number, more?: Partial<Reading>])[]
): Promise<number> {
  const frame = readings.map(([device, at, value, more]) => reading(device, at, value, { tenantId: tenant, ...more }));
  return (await river.nats.jetstream().publish(subjects.frames(0), encodeFrame(frame))).seq;
}

/** As people see them: oldest first, `device since severity → status (cause)`. */
export async function alertsOf(river: River, tenant: TenantId): Promise<readonly AlertDocument[]> {
  const page = await river.readModels.alerts.page(
    tenant,
    {},
    { first: 500, sort: { field: "triggeredAt", descending: false } },
  );
  return page.items.map(({ document }) => document);
}

export async function shownAlerts(river: River, tenant: TenantId): Promise<readonly string[]> {
  return (await alertsOf(river, tenant)).map(({ deviceId, since, status, resolution }) =>
    [deviceId, Date.parse(since) / 1_000, status, ...(resolution === undefined ? [] : [resolution.cause])].join(" "),
  );
}
