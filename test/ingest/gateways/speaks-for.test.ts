import { describe, expect, test } from "vitest";
import { deviceId } from "../../../src/domain/ids.js";
import { accessOf } from "../../../src/ingest/registry/device-access.js";
import type { DeviceAccess } from "../../../src/ingest/index.js";
import { loginForDevice, speaksFor } from "../../../src/ingest/gateways/speaks-for.js";
import type { DeviceDocument } from "../../../src/projections/device/document.js";
import { deviceDocument, KEY } from "../support.js";

function device(tenant: string, id: string, changes: Partial<DeviceDocument> = {}): DeviceAccess {
  return accessOf({ ...deviceDocument(tenant, id), ...changes }, { metrics: undefined });
}

const gateway = device("acme", "gw1");
const child = device("acme", "pump1", { gateway: deviceId("gw1"), credentials: [] });

describe("a gateway speaks for", () => {
  test("those that are assigned to it, and no others", () => {
    expect(speaksFor(gateway, child)).toBe(true);
    expect(speaksFor(device("acme", "gw2"), child)).toBe(false);
    expect(speaksFor(gateway, device("acme", "pump2"))).toBe(false);
    expect(speaksFor(child, gateway)).toBe(false);
  });

  test("nobody of another tenant, whatever the ids are", () => {
    expect(speaksFor(device("other", "gw1"), child)).toBe(false);
  });
});

function log(key: string, ...devices: readonly DeviceAccess[]): ReturnType<typeof loginForDevice> {
  const find = (tenant: string, id: string): Promise<DeviceAccess | undefined> =>
    Promise.resolve(devices.find((one) => one.tenantId === tenant && one.deviceId === id));
  return loginForDevice({ find }, "acme", "pump1", key, Date.now());
}

describe("a key on a device's path", () => {
  test("may be its gateway's", async () => {
    expect(await log(KEY, gateway, child)).toMatchObject({ ok: true, access: { deviceId: "pump1" } });
  });

  test.each([
    ["there is no such gateway", [child]],
    ["the gateway is another tenant's", [child, device("other", "gw1")]],
    ["the device has no gateway", [gateway, device("acme", "pump1", { credentials: [] })]],
    ["there is no such device", [gateway]],
  ])("opens nothing when %s, and says no more than that of a wrong key", async (_what, devices) => {
    const refused = await log(KEY, ...devices);
    expect(refused).toEqual({ ...(await log("wrong", gateway, child)), reason: expect.any(String) as unknown });
  });

  test("opens nothing while the gateway, or the device, may not speak", async () => {
    const asleep = device("acme", "gw1", { status: "INACTIVE" });
    expect(await log(KEY, asleep, child)).toMatchObject({ ok: false, code: "FORBIDDEN" });
    const gone = device("acme", "pump1", { gateway: deviceId("gw1"), credentials: [], status: "DECOMMISSIONED" });
    expect(await log(KEY, gateway, gone)).toMatchObject({ ok: false, code: "FORBIDDEN" });
  });
});
