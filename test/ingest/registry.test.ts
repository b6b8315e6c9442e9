/** The registry on the real river of decisions: what is decided is in force at the doors, told by the projector's notes alone. */
import { createHash } from "node:crypto";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { Command } from "../../src/domain/decider.js";
import type { DeviceCommand } from "../../src/domain/device/index.js";
import type { MetricDefinition } from "../../src/domain/device-type/index.js";
import type { DeviceId, TenantId } from "../../src/domain/ids.js";
import { credentialId, deviceTypeId } from "../../src/domain/ids.js";
import type { RegistryOptions } from "../../src/ingest/index.js";
import { createRegistry } from "../../src/ingest/index.js";
import type { Registry } from "../../src/ingest/index.js";
import { login } from "../../src/ingest/registry/device-access.js";
import { deferred } from "../../src/platform/deferred.js";
import { newId } from "../../src/platform/ids.js";
import { silentLogger } from "../../src/platform/logger.js";
import type { TenantDocument } from "../../src/projections/index.js";
import type { River } from "../support/river.js";
import { at, startRiver, system } from "../support/river.js";
import { waitFor } from "../support/wait-for.js";

/** So long that nothing is looked up anew because of its age: only a note can bring a change. */
const HOUR = 3_600_000;

let river: River;
let tenant: TenantId;
const registries: Registry[] = [];

beforeAll(async () => {
  river = await startRiver();
  tenant = await river.createTenant();
});
afterEach(async () => {
  for (const registry of registries.splice(0)) await registry.stop();
});
afterAll(() => river.stop());

/** A registry on the read models, which counts what it asks them. */
function registryOf(options: Partial<RegistryOptions> = {}): {
  readonly registry: Registry;
  readonly asked: () => number;
} {
  const { devices, deviceTypes, tenants } = river.readModels;
  let asked = 0;
  const counted = <A extends readonly unknown[], R>(ask: (...args: A) => R) => {
    return (...args: A): R => {
      asked += 1;
      return ask(...args);
    };
  };
  const registry = createRegistry({
    nc: river.nats,
    logger: silentLogger,
    findDevice: counted((t, id) => devices.find(t, id)),
    findDeviceType: (t, id) => deviceTypes.find(t, id),
    findTenant: (t) => tenants.find(t),
    findDeviceByKey: counted((hash) => devices.findByKey(hash)),
    findDeviceNamed: (t, gateway, name) => devices.findNamed(t, gateway, name),
    freshForMs: HOUR,
    ...options,
  });
  registries.push(registry);
  return { registry, asked: () => asked };
}

async function shown(request: Parameters<River["commands"]["execute"]>[0]): Promise<void> {
  const { position } = await river.commands.execute(request);
  expect(await river.shown.wait(request.category, position, 30_000)).toBe(true);
}

const wish = <T extends string, D>(type: T, data: D): Command<T, D> => ({ type, at: at(), data });

function give(id: DeviceId, command: DeviceCommand, of = tenant): Promise<void> {
  return shown({ category: "device", tenantId: of, id, command, actor: system });
}

function define(type: string, metrics: readonly MetricDefinition[], reportEvery: number): Promise<void> {
  const deviceType = deviceTypeId(type);
  const data = { tenantId: tenant, deviceType, metrics, codec: { format: "cbor" }, reportEvery } as const;
  const command = wish("DefineDeviceType", data);
  return shown({ category: "deviceType", tenantId: tenant, id: deviceType, command, actor: system });
}

async function issue(id: DeviceId, key: string, of = tenant): Promise<string> {
  const credential = credentialId(newId());
  const hash = createHash("sha256").update(key).digest("hex");
  await give(id, wish("IssueCredential", { credentialId: credential, credentialType: "API_KEY" as const, hash }), of);
  return credential;
}

async function registered(of = tenant): Promise<DeviceId> {
  const id = await river.registerDevice(of);
  await give(id, wish("ActivateDevice", {}), of);
  return id;
}

describe("a change is in force by its note", () => {
  it("of a device: calibration and gateway, set and taken away", async () => {
    const id = await registered();
    const gatewayId = await registered();
    const { registry, asked } = registryOf();
    expect(await registry.find(tenant, id)).not.toHaveProperty("gateway");
    const before = asked();
    await give(id, wish("SetCalibration", { calibration: { t: { offset: 1 }, "a.b": { scale: 2 } } }));
    await give(id, wish("AssignGateway", { gatewayId }));
    await waitFor(() => registry.peek(tenant, id)?.gateway === gatewayId);
    const access = registry.peek(tenant, id);
    expect(access?.calibration).toEqual({ t: { offset: 1 }, "a.b": { scale: 2 } });
    expect(access?.calibration?.["constructor"]).toBeUndefined();
    await give(id, wish("RemoveGateway", {}));
    await give(id, wish("SetCalibration", { calibration: {} }));
    await waitFor(() => Object.keys(registry.peek(tenant, id)?.calibration ?? { t: 1 }).length === 0);
    expect(registry.peek(tenant, id)).not.toHaveProperty("gateway");
    expect(asked()).toBe(before);
  });

  it("of a type and of a tenant: for all their devices at once, in the objects that they hold already", async () => {
    const ids = [await registered(), await registered()];
    const { registry } = registryOf();
    const held = await Promise.all(ids.map((id) => registry.find(tenant, id)));
    const [first, second] = held;
    expect(first?.tenant).toBe(second?.tenant);
    expect(first?.type).toBe(second?.type);
    expect(first?.type.metrics).toBeUndefined();
    expect(first?.tenant?.limits).toBeUndefined();

    await define("press", [{ name: "t", kind: "number", quality: { maxRate: 5 } }], 10);
    await waitFor(() => second?.type.metrics?.get("t")?.quality?.maxRate === 5);
    expect(first?.type).toMatchObject({ codec: { format: "cbor" }, reportEvery: 10 });
    await define("press", [{ name: "u", kind: "number" }], 20);
    await waitFor(() => first?.type.metrics?.has("t") === false);
    expect(second?.type.reportEvery).toBe(20);

    const limits = { device: { messages: { perSecond: 1, burst: 2 } } };
    const command = wish("SetTenantLimits", { limits });
    await shown({ category: "tenant", tenantId: tenant, id: tenant, command, actor: system });
    await waitFor(() => first?.tenant?.limits?.device?.messages?.burst === 2);
    expect(second?.tenant?.limits).toEqual(limits);
  });

  it("that came while the first look-up was under way: what the look-up may show of before does not undo it", async () => {
    const id = await registered();
    const stale = await river.readModels.tenants.find(tenant);
    const asked = deferred<void>();
    const answer = deferred<TenantDocument | undefined>();
    const { registry } = registryOf({
      findTenant: () => {
        asked.resolve();
        return answer.promise;
      },
    });
    const finding = registry.find(tenant, id);
    await asked.promise;
    const limits = { tenant: { connections: 7 } };
    const command = wish("SetTenantLimits", { limits });
    await shown({ category: "tenant", tenantId: tenant, id: tenant, command, actor: system });
    // That it is shown was said on the same connection as the note, and after it.
    answer.resolve(stale);
    const access = await finding;
    expect(access?.tenant?.limits).toEqual(limits);
  });

  it("that came while the device was known already, and its tenant not yet, is not lost", async () => {
    const id = await registered();
    const asked = deferred<void>();
    const answer = deferred<TenantDocument | undefined>();
    const { registry } = registryOf({
      findTenant: () => {
        asked.resolve();
        return answer.promise;
      },
    });
    const finding = registry.find(tenant, id);
    await asked.promise;
    await give(id, wish("DeactivateDevice", {}));
    answer.resolve(undefined);
    expect((await finding)?.status).toBe("INACTIVE");
  });
});

describe("a key alone", () => {
  it("finds its device, also in another tenant of the same device's name, and costs nothing the second time", async () => {
    const other = await river.createTenant();
    const name = `device-${newId()}`;
    const ours = await river.registerDevice(tenant, name);
    const theirs = await river.registerDevice(other, name);
    await issue(ours, "key of ours");
    await issue(theirs, "key of theirs", other);
    const { registry, asked } = registryOf();
    expect(await registry.findByKey("key of ours")).toMatchObject({ tenantId: tenant, deviceId: name });
    expect(await registry.findByKey(Buffer.from("key of theirs"))).toMatchObject({ tenantId: other, deviceId: name });
    const before = asked();
    expect((await registry.findByKey("key of ours"))?.tenantId).toBe(tenant);
    expect(asked()).toBe(before);
  });

  it("that was revoked is known for what it is, and opens nothing, from the note on", async () => {
    const id = await registered();
    const credential = await issue(id, "short-lived");
    const { registry } = registryOf();
    expect(login(await registry.findByKey("short-lived"), "short-lived", Date.now()).ok).toBe(true);
    await give(id, wish("RevokeCredential", { credentialId: credentialId(credential) }));
    const refused = await waitFor(async () => {
      const outcome = login(await registry.findByKey("short-lived"), "short-lived", Date.now());
      return outcome.ok ? false : outcome;
    });
    expect(refused).toMatchObject({ reason: "revoked-key", code: "UNAUTHENTICATED" });
  });

  it("that two devices were given is nobody's", async () => {
    const [a, b] = [await registered(), await registered()];
    await issue(a, "shared");
    const { registry } = registryOf({ absentForMs: 0 });
    expect((await registry.findByKey("shared"))?.deviceId).toBe(a);
    await issue(b, "shared");
    expect(await registryOf().registry.findByKey("shared")).toBeUndefined();
  });

  it("that nobody has is asked for once, and then believed to be nobody's", async () => {
    const { registry, asked } = registryOf({ absentForMs: HOUR });
    const found = await Promise.all(Array.from({ length: 50 }, () => registry.findByKey("nobody's")));
    expect(found.every((access) => access === undefined)).toBe(true);
    expect(await registry.findByKey("nobody's")).toBeUndefined();
    expect(asked()).toBe(1);
  });

  it("is tried at random by a few at a time: the rest are told to slow down, and nobody is kept from a device that is known", async () => {
    const id = await registered();
    const { registry } = registryOf({ findDeviceByKey: () => new Promise(() => undefined) });
    const refused: unknown[] = [];
    for (let n = 0; n < 1_100; n += 1) registry.findByKey(`guess ${n}`).catch((error: unknown) => refused.push(error));
    await waitFor(() => refused.length === 1_100 - 1_032);
    expect(refused[0]).toMatchObject({ code: "LIMIT_EXCEEDED" });
    expect((await registry.find(tenant, id))?.deviceId).toBe(id);
  });

  it("of a device that is cached opens while the document store is away; of one that is not it is said that it cannot be known", async () => {
    const id = await registered();
    await issue(id, "cached");
    const { devices } = river.readModels;
    let away = false;
    const unlessAway = <T>(ask: () => Promise<T>): Promise<T> => (away ? Promise.reject(new Error("away")) : ask());
    const { registry } = registryOf({
      findDevice: (t, d) => unlessAway(() => devices.find(t, d)),
      findDeviceByKey: (hash) => unlessAway(() => devices.findByKey(hash)),
    });
    await registry.findByKey("cached");
    away = true;
    expect((await registry.findByKey("cached"))?.deviceId).toBe(id);
    await expect(registry.findByKey("not cached")).rejects.toThrow("away");
  });

  it("of more devices than are kept is looked up again", async () => {
    const ids = [await registered(), await registered(), await registered()];
    for (const [n, id] of ids.entries()) await issue(id, `many ${n}`);
    const { registry, asked } = registryOf({ capacity: 2 });
    for (const [n, id] of ids.entries()) expect((await registry.findByKey(`many ${n}`))?.deviceId).toBe(id);
    const before = asked();
    expect((await registry.findByKey("many 0"))?.deviceId).toBe(ids[0]);
    expect(asked()).toBeGreaterThan(before);
  });
});
