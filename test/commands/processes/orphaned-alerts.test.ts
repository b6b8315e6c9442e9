import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { startOrphanedAlerts } from "../../../src/commands/processes/index.js";
import type { AlertCommand } from "../../../src/domain/alert/index.js";
import type { DeviceCommand } from "../../../src/domain/device/index.js";
import type { DeviceId, TenantId } from "../../../src/domain/ids.js";
import { alertId, credentialId, ruleId } from "../../../src/domain/ids.js";
import { newId } from "../../../src/platform/ids.js";
import type { Running } from "../../../src/platform/lifecycle.js";
import { silentLogger } from "../../../src/platform/logger.js";
import { streams } from "../../../src/platform/subjects.js";
import type { River } from "../../support/river.js";
import { at, startRiver, system } from "../../support/river.js";
import { waitFor } from "../../support/wait-for.js";

let river: River;
let tenant: TenantId;
let running: Running | undefined;

beforeAll(async () => {
  river = await startRiver();
  tenant = await river.createTenant();
});
afterEach(async () => {
  await running?.stop();
  running = undefined;
});
afterAll(() => river.stop());

function start(): void {
  const { nats: nc, client: eventStore, commands, readModels } = river;
  running = startOrphanedAlerts({ nc, eventStore, commands, alerts: readModels.alerts, logger: silentLogger });
}

function give(id: string, command: AlertCommand) {
  return river.commands.execute({ category: "alert", tenantId: tenant, id, command, actor: system });
}

async function raise(deviceId: DeviceId): Promise<string> {
  const id = alertId(newId());
  const data = {
    tenantId: tenant,
    alertId: id,
    ruleId: ruleId(newId()),
    ruleVersion: 1,
    deviceId,
    severity: "HIGH",
    message: "too hot",
    metric: "t",
    value: 2,
    threshold: 1,
    since: at(),
    triggeredAt: at(),
  } as const;
  await give(id, { type: "RaiseAlert", at: at(), data });
  return id;
}

function decommission(id: DeviceId): Promise<void> {
  return tell(id, { type: "DecommissionDevice", at: at(), data: {} });
}

async function tell(id: DeviceId, command: DeviceCommand): Promise<void> {
  await river.commands.execute({ category: "device", tenantId: tenant, id, command, actor: system });
}

const day = (of: number) => new Date(Date.UTC(2025, 0, 1 + of)).toISOString();
const alertOf = (id: string) => river.readModels.alerts.find(tenant, id);
const isOrphanResolved = (id: string) =>
  waitFor(async () => (await alertOf(id))?.resolution?.cause === "device-decommissioned", {
    what: "the alert to be resolved",
  });

describe("the alerts of a decommissioned device", () => {
  // First: the others leave alerts behind.
  it("of which there never was any are none", async () => {
    start();
    await decommission(await river.registerDevice(tenant));
    const manager = await river.nats.jetstreamManager();
    const settled = await waitFor(async () => {
      const info = await manager.consumers.info(streams.events, "workflows-decommissioned").catch(() => undefined);
      return info !== undefined && info.delivered.consumer_seq > 0 && info.num_ack_pending === 0 && info;
    });
    expect(settled.delivered.consumer_seq).toBe(1);
  });

  it("are resolved, whatever their state, and those of others are not", async () => {
    start();
    const [gone, staying] = [await river.registerDevice(tenant), await river.registerDevice(tenant)];
    const active = await raise(gone);
    const acknowledged = await raise(gone);
    await give(acknowledged, { type: "AcknowledgeAlert", at: at(), data: { by: "user:ada" } });
    const done = await raise(gone);
    await give(done, { type: "ResolveAlert", at: at(), data: { resolvedAt: at(), cause: "by-hand" } });
    const other = await raise(staying);
    await decommission(gone);
    expect(await isOrphanResolved(active)).toBe(true);
    expect(await isOrphanResolved(acknowledged)).toBe(true);
    expect((await alertOf(done))?.resolution?.cause).toBe("by-hand");
    expect((await alertOf(other))?.status).toBe("ACTIVE");
  });

  it("that are raised after it, by readings that were under way, are resolved too", async () => {
    start();
    const device = await river.registerDevice(tenant);
    const credentialIds = Array.from({ length: 25 }, () => credentialId(newId()));
    const live = await river.registerDevice(tenant);
    for (const [n, id] of credentialIds.entries()) {
      // Each has expired when the next is issued: a device may have more keys behind it than it may have at once.
      const issued = { credentialId: id, credentialType: "API_KEY", hash: String(n), expiresAt: day(n + 1) } as const;
      await tell(device, { type: "IssueCredential", at: day(n), data: issued });
    }
    await decommission(device);
    // Whatever can still be said of it does not hide that it has ended.
    for (const id of credentialIds)
      await tell(device, { type: "RevokeCredential", at: at(), data: { credentialId: id } });
    const stays = await raise(live);
    expect(await isOrphanResolved(await raise(device))).toBe(true);
    expect((await alertOf(stays))?.status).toBe("ACTIVE");
  });

  it("that were left behind while nobody looked are resolved when somebody does", async () => {
    const device = await river.registerDevice(tenant);
    const before = await raise(device);
    await decommission(device);
    const after = await raise(device);
    start();
    expect(await isOrphanResolved(before)).toBe(true);
    expect(await isOrphanResolved(after)).toBe(true);
  });

  it("may be more than a page", async () => {
    const device = await river.registerDevice(tenant);
    await Promise.all(Array.from({ length: 120 }, () => raise(device)));
    await decommission(device);
    start();
    const { alerts } = river.readModels;
    const all = { deviceId: device, statuses: ["RESOLVED"] } as const;
    expect(await waitFor(async () => (await alerts.count(tenant, all)) === 120)).toBe(true);
  });
});
