import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { newId } from "../../src/platform/ids.js";
import type { Api } from "./api.js";
import { startApi } from "./api.js";

let api: Api;
let tenant: string;
let admin: string;
const batches: (readonly string[])[] = [];
const heard = new Date("2026-01-02T03:04:05.000Z");

beforeAll(async () => {
  api = await startApi({
    lastSeen: (_tenant, ids) => {
      batches.push(ids);
      return Promise.resolve(ids.map((id) => (id.startsWith("silent") ? undefined : heard)));
    },
  });
  tenant = await api.river.createTenant();
  admin = await api.token(tenant);
});
afterAll(() => api.stop());

const idsOf = (data: { devices: { edges: { node: { deviceId: string } }[] } }) =>
  data.devices.edges.map(({ node }) => node.deviceId);

const REGISTER = `mutation ($input: RegisterDeviceInput!) {
  registerDevice(input: $input) { shown device { deviceId status revision name location { site latitude } metadata } }
}`;

async function register(deviceId: string, more: Record<string, unknown> = {}): Promise<void> {
  await api.must(admin, REGISTER, { input: { deviceId, deviceType: "press", ...more } });
}

function step(name: string, deviceId: string, input: Record<string, unknown> = {}) {
  const type = ["activateDevice", "endMaintenance"].includes(name) ? "DeviceInput" : "DeviceStepInput";
  return api.ask(admin, `mutation ($input: ${type}!) { ${name}(input: $input) { shown device { status } } }`, {
    input: { deviceId, ...input },
  });
}

describe("a device's life", () => {
  it("is registered with the seed's fields, and shown when the mutation returns", async () => {
    const { data } = await api.ask(admin, REGISTER, {
      input: {
        deviceId: "press-1",
        deviceType: "press",
        name: "Press one",
        location: { site: "hall-1", latitude: 48.1 },
        metadata: { line: { number: 3, tags: [null, "a"] } },
      },
    });
    expect(data.registerDevice).toEqual({
      shown: true,
      device: {
        deviceId: "press-1",
        status: "REGISTERED",
        revision: 0,
        name: "Press one",
        location: { site: "hall-1", latitude: 48.1 },
        metadata: { line: { number: 3, tags: [null, "a"] } },
      },
    });
    const read = await api.ask(
      admin,
      `{ device(id: "press-1") { tenantId deviceType createdAt connectivity { online } } }`,
    );
    expect(read.data.device).toMatchObject({ tenantId: tenant, deviceType: "press", connectivity: { online: false } });
    expect(Date.parse(read.data.device.createdAt)).toBeGreaterThan(0);
  });

  it("goes through its lifecycle, and refuses steps that it does not have", async () => {
    await register("press-2");
    expect((await step("activateDevice", "press-2")).data.activateDevice).toEqual({
      shown: true,
      device: { status: "ACTIVE" },
    });
    expect((await step("startMaintenance", "press-2", { reason: "oil" })).data.startMaintenance.device.status).toBe(
      "MAINTENANCE",
    );
    expect((await step("endMaintenance", "press-2")).data.endMaintenance.device.status).toBe("ACTIVE");
    expect((await step("deactivateDevice", "press-2")).data.deactivateDevice.device.status).toBe("INACTIVE");
    expect((await step("endMaintenance", "press-2")).codes).toEqual(["ILLEGAL_TRANSITION"]);
    expect((await step("decommissionDevice", "press-2")).data.decommissionDevice.device.status).toBe("DECOMMISSIONED");
    expect((await step("activateDevice", "press-2")).codes).toEqual(["ILLEGAL_TRANSITION"]);
  });

  it("is registered once: a second registration is refused, a retried one is not", async () => {
    const commandId = newId();
    await register("press-3", { commandId });
    await register("press-3", { commandId });
    const again = await api.ask(admin, REGISTER, { input: { deviceId: "press-3", deviceType: "press" } });
    expect(again.codes).toEqual(["ALREADY_EXISTS"]);
    expect(again.errors[0]?.message).toContain("press-3");
  });

  it("changes the fields that are given, takes away those that are null, and leaves the others as they are", async () => {
    await register("press-4", { name: "Four", model: "M", description: null, location: { site: "hall-1" } });
    const { data } = await api.ask(
      admin,
      `mutation { updateDevice(input: { deviceId: "press-4", name: "4", location: null }) { device { name model location { site } revision } } }`,
    );
    expect(data.updateDevice.device).toEqual({ name: "4", model: "M", location: null, revision: 1 });
    expect(
      (await api.ask(admin, `{ devices(filter: { idPrefix: "press-4", site: "hall-1" }) { totalCount } }`)).data.devices
        .totalCount,
    ).toBe(0);
  });

  it("tells an unknown device from an id that is none", async () => {
    expect((await api.ask(admin, `{ device(id: "nobody") { deviceId } }`)).data.device).toBeNull();
    expect((await api.ask(admin, `{ device(id: "no/body") { deviceId } }`)).codes).toEqual(["INVALID_VALUE"]);
    expect((await step("activateDevice", "nobody")).codes).toEqual(["NOT_FOUND"]);
    const bad = await api.ask(admin, REGISTER, {
      input: { deviceId: "x", deviceType: "press", commandId: "not-a-uuid" },
    });
    expect(bad.codes).toEqual(["INVALID_VALUE"]);
  });
});

describe("credentials", () => {
  const ISSUE = `mutation ($input: IssueCredentialInput!) {
    issueCredential(input: $input) { shown apiKey credential { credentialId type label expiresAt } device { credentials { credentialId label revokedAt } } }
  }`;

  it("shows the key once, and never to a retry", async () => {
    await register("keyed");
    const input = { deviceId: "keyed", label: "first", commandId: newId(), expiresAt: "2099-01-01T00:00:00Z" };
    const issued = (await api.ask(admin, ISSUE, { input })).data.issueCredential;
    expect(issued.apiKey).toMatch(/^flk_/);
    expect(issued.credential).toMatchObject({ type: "API_KEY", label: "first", expiresAt: "2099-01-01T00:00:00.000Z" });
    expect(issued.device.credentials).toHaveLength(1);
    const retried = (await api.ask(admin, ISSUE, { input })).data.issueCredential;
    expect(retried.apiKey).toBeNull();
    expect(retried.credential.credentialId).toBe(issued.credential.credentialId);
    expect(retried.device.credentials).toHaveLength(1);
  });

  it("revokes, and says so; an unknown one is NOT_FOUND", async () => {
    await register("keyed-2");
    const issued = (await api.ask(admin, ISSUE, { input: { deviceId: "keyed-2" } })).data.issueCredential;
    const REVOKE = `mutation ($id: ID!) { revokeCredential(input: { deviceId: "keyed-2", credentialId: $id }) { device { credentials { revokedAt } } } }`;
    const { data } = await api.ask(admin, REVOKE, { id: issued.credential.credentialId });
    expect(data.revokeCredential.device.credentials[0].revokedAt).not.toBeNull();
    expect((await api.ask(admin, REVOKE, { id: newId() })).codes).toEqual(["NOT_FOUND"]);
  });
});

it("holds the desired configuration, versioned, and refuses a stale version with the newest in the details", async () => {
  await register("configured");
  const SET = `mutation ($version: Int, $config: JSONObject!) {
    setDeviceConfiguration(input: { deviceId: "configured", config: $config, expectedVersion: $version }) {
      device { configuration { status desired { version config } reported { version } } }
    }
  }`;
  const first = await api.ask(admin, SET, { version: 0, config: { interval: 5 } });
  expect(first.data.setDeviceConfiguration.device.configuration).toEqual({
    status: "PENDING",
    desired: { version: 1, config: { interval: 5 } },
    reported: null,
  });
  const stale = await api.ask(admin, SET, { version: 0, config: {} });
  expect(stale.codes).toEqual(["VERSION_CONFLICT"]);
  expect(stale.errors[0]?.extensions.details).toEqual({ currentVersion: 1, expectedVersion: 0 });
});

describe("lists", () => {
  const PAGE = `query ($first: Int!, $after: String, $filter: DeviceFilterInput, $sort: DeviceSortInput) {
    devices(first: $first, after: $after, filter: $filter, sort: $sort) {
      totalCount edges { cursor node { deviceId lastSeen } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    }
  }`;
  let fleet: string;

  beforeAll(async () => {
    const other = await api.river.createTenant();
    fleet = await api.token(other);
    for (const name of ["a-1", "a-2", "a-3", "b-1", "silent-1"]) {
      const input = { deviceId: name, deviceType: name.startsWith("a") ? "alpha" : "beta", name: `N${name}` };
      await api.must(fleet, REGISTER, { input });
    }
  });

  it("page by page, each entry once, and nobody else's", async () => {
    const first = await api.ask(fleet, PAGE, { first: 3 });
    expect(idsOf(first.data)).toEqual(["a-1", "a-2", "a-3"]);
    expect(first.data.devices.totalCount).toBe(5);
    expect(first.data.devices.pageInfo).toMatchObject({ hasNextPage: true, hasPreviousPage: false });
    const second = await api.ask(fleet, PAGE, { first: 3, after: first.data.devices.pageInfo.endCursor });
    expect(idsOf(second.data)).toEqual(["b-1", "silent-1"]);
    expect(second.data.devices.pageInfo).toMatchObject({ hasNextPage: false, hasPreviousPage: true });
  });

  it("filtered and sorted", async () => {
    const filter = { deviceType: "alpha" };
    const sort = { field: "NAME", direction: "DESC" };
    const { data } = await api.ask(fleet, PAGE, { first: 10, filter, sort });
    expect(idsOf(data)).toEqual(["a-3", "a-2", "a-1"]);
    expect(data.devices.totalCount).toBe(3);
    const prefixed = await api.ask(fleet, PAGE, { first: 10, filter: { idPrefix: "b", statuses: ["REGISTERED"] } });
    expect(idsOf(prefixed.data)).toEqual(["b-1"]);
  });

  it("asks when the devices were last heard once for the whole page", async () => {
    batches.length = 0;
    const { data } = await api.ask(fleet, PAGE, { first: 5 });
    expect(batches).toEqual([["a-1", "a-2", "a-3", "b-1", "silent-1"]]);
    expect(data.devices.edges[0].node.lastSeen).toBe(heard.toISOString());
    expect(data.devices.edges[4].node.lastSeen).toBeNull();
  });

  it("refuses a page that is too large, none at all, and a cursor that is none", async () => {
    expect((await api.ask(fleet, PAGE, { first: 501 })).codes).toEqual(["PAGE_TOO_LARGE"]);
    expect((await api.ask(fleet, PAGE, { first: 0 })).codes).toEqual(["PAGE_TOO_LARGE"]);
    expect((await api.ask(fleet, PAGE, { first: 5, after: "nonsense" })).codes).toEqual(["BAD_REQUEST"]);
  });
});

describe("device types", () => {
  it("are defined, versioned and listed", async () => {
    const DEFINE = `mutation ($metrics: [MetricDefinitionInput!]!) {
      defineDeviceType(input: { deviceType: "press", metrics: $metrics }) { shown deviceType { version metrics { name kind unit min max } } }
    }`;
    const metrics = [
      { name: "temperature", kind: "NUMBER", unit: "Cel", min: -50, max: 200 },
      { name: "state", kind: "STRING" },
    ];
    const { data } = await api.ask(admin, DEFINE, { metrics });
    expect(data.defineDeviceType.shown).toBe(true);
    expect(data.defineDeviceType.deviceType).toEqual({
      version: 1,
      metrics: [metrics[0], { name: "state", kind: "STRING", unit: null, min: null, max: null }],
    });
    const listed = await api.ask(
      admin,
      `{ deviceTypes(first: 10) { totalCount edges { node { deviceType version } } } }`,
    );
    expect(listed.data.deviceTypes).toEqual({
      totalCount: 1,
      edges: [{ node: { deviceType: "press", version: 1 } }],
    });
    expect((await api.ask(admin, DEFINE, { metrics: [] })).codes).toEqual(["INVALID_VALUE"]);
  });
});
