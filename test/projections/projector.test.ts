import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { DeviceCommand } from "../../src/domain/device/index.js";
import type { DeviceId, TenantId } from "../../src/domain/ids.js";
import { credentialId } from "../../src/domain/ids.js";
import { newId } from "../../src/platform/ids.js";
import { silentLogger } from "../../src/platform/logger.js";
import { subjects } from "../../src/platform/subjects.js";
import { createRebuilds, requestRebuild, startProjector } from "../../src/projections/index.js";
import type { River } from "../support/river.js";
import { at, startRiver, system } from "../support/river.js";
import { waitFor } from "../support/wait-for.js";

let river: River;
let tenant: TenantId;

beforeAll(async () => {
  river = await startRiver();
  tenant = await river.createTenant("acme");
});
afterAll(() => river.stop());

async function executeShown(id: DeviceId, command: DeviceCommand): Promise<void> {
  const outcome = await river.commands.execute({ category: "device", tenantId: tenant, id, command, actor: system });
  expect(await river.shown.wait("device", outcome.position, 20_000)).toBe(true);
}

describe("the device read model", () => {
  it("shows a command's outcome as soon as the waiter says so", async () => {
    const id = await river.registerDevice(tenant);
    await executeShown(id, { type: "ActivateDevice", at: at(), data: {} });
    expect(await river.readModels.devices.find(tenant, id)).toMatchObject({
      deviceId: id,
      status: "ACTIVE",
      revision: 1,
    });
  });

  it("follows configuration from pending to applied", async () => {
    const id = await river.registerDevice(tenant);
    await executeShown(id, { type: "SetConfiguration", at: at(), data: { config: { every: 5 } } });
    expect((await river.readModels.devices.find(tenant, id))?.configuration).toMatchObject({
      version: 1,
      status: "PENDING",
      config: { every: 5 },
    });
    await executeShown(id, { type: "ReportConfiguration", at: at(), data: { version: 1, status: "applied" } });
    expect((await river.readModels.devices.find(tenant, id))?.configuration).toMatchObject({
      version: 1,
      status: "APPLIED",
      reported: { version: 1, status: "APPLIED" },
    });
  });

  it("keeps one tenant's devices from another's queries", async () => {
    const id = await river.registerDevice(tenant, "same-name");
    await executeShown(id, { type: "ActivateDevice", at: at(), data: {} });
    const other = await river.createTenant("other");
    expect(await river.readModels.devices.find(other, id)).toBeUndefined();
    const sort = { field: "deviceId", descending: false };
    expect((await river.readModels.devices.page(other, {}, { first: 10, sort })).items).toEqual([]);
  });

  it("pages through every device once, both ways, over each sort", async () => {
    const paged = await river.createTenant("paged");
    let last: { readonly commit: bigint; readonly prepare: bigint } | undefined;
    for (let n = 0; n < 25; n += 1) {
      const id = await river.registerDevice(paged, `d-${String(n).padStart(2, "0")}`);
      if (n % 3 !== 0) continue;
      const command: DeviceCommand = { type: "ChangeDeviceDetails", at: at(), data: { name: `name ${n % 2}` } };
      last = (await river.commands.execute({ category: "device", tenantId: paged, id, command, actor: system }))
        .position;
    }
    await waitFor(async () => last !== undefined && (await river.shown.wait("device", last, 20_000)), {
      what: "the fleet to be shown",
    });
    for (const field of ["deviceId", "name", "createdAt", "_id"]) {
      for (const descending of [false, true]) {
        const seen: string[] = [];
        let after: string | undefined;
        do {
          const page = await river.readModels.devices.page(
            paged,
            {},
            { first: 4, sort: { field, descending }, ...(after === undefined ? {} : { after }) },
          );
          seen.push(...page.items.map(({ document }) => document.deviceId));
          after = page.hasNextPage ? page.items.at(-1)?.cursor : undefined;
        } while (after !== undefined);
        expect(seen.toSorted(), `${field} ${descending ? "down" : "up"}`).toEqual(
          Array.from({ length: 25 }, (_, n) => `d-${String(n).padStart(2, "0")}`),
        );
      }
    }
  });

  it("refuses pages that are too large, and cursors that are not ours", async () => {
    const sort = { field: "deviceId", descending: false };
    await expect(river.readModels.devices.page(tenant, {}, { first: 501, sort })).rejects.toMatchObject({
      code: "PAGE_TOO_LARGE",
    });
    await expect(
      river.readModels.devices.page(tenant, {}, { first: 1, after: "nonsense", sort }),
    ).rejects.toMatchObject({ code: "BAD_REQUEST" });
  });
});

describe("change notes", () => {
  it("come after the write, on the tenant's own subject", async () => {
    const notes = river.nats.subscribe(subjects.changed("device", tenant, "*"), { max: 1 });
    await river.nats.flush();
    const id = await river.registerDevice(tenant);
    for await (const note of notes) {
      const { document } = note.json<{ readonly document: { readonly deviceId: string } }>();
      expect(document.deviceId).toBe(id);
      expect(await river.readModels.devices.find(tenant, id)).toBeDefined();
    }
  });
});

describe("integrators", () => {
  it("replay a tenant's events in order from JetStream, without credential hashes", async () => {
    const loud = await river.createTenant("loud");
    const id = await river.registerDevice(loud);
    const execute = (command: DeviceCommand) =>
      river.commands.execute({ category: "device", tenantId: loud, id, command, actor: system });
    await execute({ type: "ActivateDevice", at: at(), data: {} });
    await execute({
      type: "IssueCredential",
      at: at(),
      data: { credentialId: credentialId(newId()), credentialType: "API_KEY", hash: "secret-hash" },
    });
    const consumer = await waitFor(
      async () => {
        const stream = await river.nats.jetstream().streams.get("FLEETLOG_EVENTS");
        const ordered = await stream.getConsumer({ filterSubjects: subjects.event("loud", "*", "*") });
        return (await ordered.info(true)).num_pending >= 4 ? ordered : undefined;
      },
      { what: "four events to be published" },
    );
    const seen: { readonly type: string; readonly text: string }[] = [];
    for await (const message of await consumer.fetch({ max_messages: 4 })) {
      seen.push({ type: message.json<{ readonly type: string }>().type, text: message.string() });
    }
    expect(seen.map(({ type }) => type)).toEqual([
      "TenantCreated",
      "DeviceRegistered",
      "DeviceActivated",
      "CredentialIssued",
    ]);
    for (const { text } of seen) expect(text).not.toContain("secret-hash");
  });
});

describe("a rebuild", () => {
  it("fills the next generation beside the live one, swaps it in, and shows the same", async () => {
    const id = await river.registerDevice(tenant, "rebuilt");
    await executeShown(id, { type: "ActivateDevice", at: at(), data: {} });
    const before = await river.readModels.devices.find(tenant, id);
    const { generation } = await requestRebuild(river.nats, "devices");
    await expect(requestRebuild(river.nats, "devices")).rejects.toMatchObject({ code: "CONFLICT" });
    const rebuilds = createRebuilds(river.mongo.db);
    const done = await waitFor(async () => {
      const rebuild = await rebuilds.find("devices");
      return rebuild?.state === "RUNNING" ? undefined : rebuild;
    });
    expect(done).toMatchObject({ state: "DONE", generation });
    expect(await river.readModels.devices.find(tenant, id)).toEqual(before);
    const live = await river.registerDevice(tenant, "after-the-swap");
    await executeShown(live, { type: "ActivateDevice", at: at(), data: {} });
    expect(await river.readModels.devices.find(tenant, live)).toMatchObject({ status: "ACTIVE" });
    const names = async () => (await river.mongo.db.listCollections().toArray()).map(({ name }) => name);
    expect(await names()).toContain(`devices_${generation}`);
    // Readers follow within a second; then the old generation goes.
    await waitFor(async () => !(await names()).includes(`devices_${generation - 1}`));
  });

  it("refuses what is not a projection by naming those that are", async () => {
    await expect(requestRebuild(river.nats, "nonsense")).rejects.toMatchObject({
      code: "NOT_FOUND",
      message: expect.stringContaining("devices") as string,
    });
  });
});

describe("the lease", () => {
  it("lets a second projector wait until the first has gone", async () => {
    const deps = { client: river.client, db: river.mongo.db, nats: river.nats, logger: silentLogger };
    const second = startProjector({ ...deps, owner: "second" });
    const waiting = await waitFor(() => second.health().find(({ detail }) => detail?.includes("lease")));
    await second.stop();
    expect(waiting.state).toBe("degraded");
  });
});
