import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createCommands } from "../../src/commands/index.js";
import type { Actor } from "../../src/commands/index.js";
import type { DeviceCommand } from "../../src/domain/device/index.js";
import type { DeviceId, TenantId } from "../../src/domain/ids.js";
import { readAggregateEvents, streamName } from "../../src/events/index.js";
import { newId } from "../../src/platform/ids.js";
import { createMetrics } from "../../src/platform/metrics.js";
import type { River } from "../support/river.js";
import { at, startRiver, system } from "../support/river.js";

let river: River;
let tenant: TenantId;

beforeAll(async () => {
  river = await startRiver();
  tenant = await river.createTenant("acme");
});
afterAll(() => river.stop());

function execute(
  id: DeviceId,
  command: DeviceCommand,
  options: { readonly commandId?: string; readonly actor?: Actor; readonly tenantId?: string } = {},
) {
  return river.commands.execute({
    category: "device",
    tenantId: options.tenantId ?? tenant,
    id,
    command,
    actor: options.actor ?? system,
    ...(options.commandId === undefined ? {} : { commandId: options.commandId }),
  });
}

async function history(id: DeviceId) {
  const events = [];
  for await (const event of readAggregateEvents(river.client, streamName("device", tenant, id))) events.push(event);
  return events;
}

const activate = (): DeviceCommand => ({ type: "ActivateDevice", at: at(), data: {} });

describe("the command handler", () => {
  it("stores what the decider decides, with who, when and why", async () => {
    const id = await river.registerDevice(tenant);
    const commandId = newId();
    const outcome = await execute(id, activate(), { commandId });

    expect(outcome.revision).toBe(1);
    const [registered, activated] = await history(id);
    expect(registered?.type).toBe("DeviceRegistered");
    expect(activated).toMatchObject({
      type: "DeviceActivated",
      revision: 1,
      metadata: { schemaVersion: 1, tenantId: tenant, actor: "system:test", commandId, causationId: commandId },
    });
    expect(activated?.position).toEqual(outcome.position);
  });

  it("gives a retried command its first outcome, whatever happened since", async () => {
    const id = await river.registerDevice(tenant);
    const commandId = newId();
    const first = await execute(id, activate(), { commandId });
    await execute(id, { type: "StartMaintenance", at: at(), data: {} });
    const again = await execute(id, activate(), { commandId });

    expect(first.retried).toBe(false);
    expect(again).toEqual({ ...first, retried: true });
    expect(await history(id)).toHaveLength(3);
  });

  it("answers 'already so' without an event, and says where that stands", async () => {
    const id = await river.registerDevice(tenant);
    const first = await execute(id, activate());
    const again = await execute(id, activate());
    expect(again.changed).toBe(false);
    expect(again.position).toEqual(first.position);
  });

  it("decides anew when others were faster: of fifty that change one configuration at once none is lost", async () => {
    const id = await river.registerDevice(tenant);
    const settled = await Promise.allSettled(
      Array.from({ length: 50 }, (_, n) =>
        execute(id, { type: "SetConfiguration", at: at(), data: { config: { n } } }),
      ),
    );
    const accepted = settled.filter(({ status }) => status === "fulfilled").length;
    const refused = settled.flatMap((one) =>
      one.status === "rejected" ? [one.reason as { readonly code: string }] : [],
    );
    for (const { code } of refused) expect(code).toBe("CONFLICT");
    const versions = (await history(id)).flatMap((event) =>
      event.type === "ConfigurationChanged" ? [event.data.version] : [],
    );
    expect(versions).toEqual(Array.from({ length: accepted }, (_, n) => n + 1));
    expect(accepted).toBeGreaterThan(0);
  });

  it("never retries a version that the caller gave", async () => {
    const id = await river.registerDevice(tenant);
    await execute(id, { type: "SetConfiguration", at: at(), data: { config: {}, expectedVersion: 0 } });
    await expect(
      execute(id, { type: "SetConfiguration", at: at(), data: { config: {}, expectedVersion: 0 } }),
    ).rejects.toMatchObject({ code: "VERSION_CONFLICT", details: { currentVersion: 1, expectedVersion: 0 } });
  });

  it("decides on what it remembers of a stream, and reads again before it refuses: another process may have moved on", async () => {
    const id = await river.registerDevice(tenant);
    await execute(id, activate());
    const elsewhere = createCommands({ client: river.client, metrics: createMetrics() });
    const deactivate = { type: "DeactivateDevice", at: at(), data: {} } as const;
    await elsewhere.execute({ category: "device", tenantId: tenant, id, command: deactivate, actor: system });
    // Remembered here: ACTIVE, so "already so". In truth INACTIVE, so it is a step.
    const outcome = await execute(id, activate());
    expect(outcome).toMatchObject({ changed: true, revision: 3 });
    await elsewhere.execute({
      category: "device",
      tenantId: tenant,
      id,
      command: { type: "StartMaintenance", at: at(), data: {} },
      actor: system,
    });
    // Remembered here: ACTIVE, from which there is no such step.
    await execute(id, { type: "EndMaintenance", at: at(), data: {} });
    expect((await history(id)).map(({ type }) => type).slice(-2)).toEqual(["MaintenanceStarted", "MaintenanceEnded"]);
  });

  it("refuses devices of a tenant that does not exist", async () => {
    await expect(river.registerDevice("nobody" as TenantId)).rejects.toMatchObject({ code: "NOT_FOUND" });
  });

  it("is a wall between tenants, and minds roles", async () => {
    const id = await river.registerDevice(tenant);
    const other: Actor = { kind: "user", subject: "eve", tenantId: await river.createTenant("evil"), role: "ADMIN" };
    const viewer: Actor = { kind: "user", subject: "vera", tenantId: tenant, role: "VIEWER" };
    await expect(execute(id, activate(), { actor: other })).rejects.toMatchObject({ code: "FORBIDDEN" });
    await expect(execute(id, activate(), { actor: viewer })).rejects.toMatchObject({ code: "FORBIDDEN" });
    await expect(
      execute(id, { type: "ReportOnline", at: at(), data: { since: at() } }, { actor: { ...viewer, role: "ADMIN" } }),
    ).rejects.toMatchObject({ code: "FORBIDDEN" });
  });
});
