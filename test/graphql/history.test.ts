import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { waitFor } from "../support/wait-for.js";
import type { Api } from "./api.js";
import { startApi } from "./api.js";

let api: Api;
let admin: string;

const EVENTS = `query ($device: ID!, $first: Int!, $after: String, $from: DateTime, $to: DateTime) {
  deviceEvents(deviceId: $device, first: $first, after: $after, from: $from, to: $to) {
    totalCount edges { cursor node { id type revision occurredAt actor commandId correlationId data } } pageInfo { hasNextPage endCursor }
  }
}`;

interface Entry {
  readonly node: {
    readonly type: string;
    readonly revision: number;
    readonly occurredAt: string;
    readonly data: unknown;
  };
}
const typesOf = (data: { readonly deviceEvents: { readonly edges: readonly Entry[] } }) =>
  data.deviceEvents.edges.map(({ node }) => node.type);

const must = (query: string) => api.must(admin, query);

async function asOf(moment: string) {
  const query = `query ($asOf: DateTime!) {
    device(id: "d", asOf: $asOf) {
      name status revision asOf lastSeen latestTelemetry { metric } alerts { totalCount } credentials { label }
    }
  }`;
  return (await api.must(admin, query, { asOf: moment })).device;
}

/** The platform's clock has moved on: what happens now is not at the same moment as what was before. */
async function later(): Promise<string> {
  const before = Date.now();
  await waitFor(() => Date.now() > before + 1);
  return new Date().toISOString();
}

beforeAll(async () => {
  api = await startApi();
  admin = await api.token(await api.river.createTenant());
});
afterAll(() => api.stop());

describe("the history of a device", () => {
  let beforeRegistration: string;
  let whileNew: string;
  let whileActive: string;

  beforeAll(async () => {
    beforeRegistration = await later();
    await later();
    await must(`mutation { registerDevice(input: { deviceId: "d", deviceType: "press", name: "old" }) { shown } }`);
    whileNew = await later();
    await later();
    await must(`mutation { activateDevice(input: { deviceId: "d" }) { shown } }`);
    await must(`mutation { issueCredential(input: { deviceId: "d", label: "k" }) { shown } }`);
    whileActive = await later();
    await later();
    await must(`mutation { updateDevice(input: { deviceId: "d", name: "new" }) { shown } }`);
    await must(`mutation { deactivateDevice(input: { deviceId: "d", reason: "rest" }) { shown } }`);
  });

  it("is told in order, with who did it and on whose wish", async () => {
    const { data } = await api.ask(admin, EVENTS, { device: "d", first: 10 });
    expect(typesOf(data)).toEqual([
      "DeviceRegistered",
      "DeviceActivated",
      "CredentialIssued",
      "DeviceDetailsChanged",
      "DeviceDeactivated",
    ]);
    expect(data.deviceEvents.totalCount).toBe(5);
    const [first] = data.deviceEvents.edges;
    expect(first.node).toMatchObject({ revision: 0, actor: "user:admin@example.org", data: { name: "old" } });
    expect(data.deviceEvents.edges[4].node.data).toEqual({ reason: "rest" });
  });

  it("never holds a credential's hash", async () => {
    const { data } = await api.ask(admin, EVENTS, { device: "d", first: 10 });
    const issued = data.deviceEvents.edges[2].node.data;
    expect(issued).toMatchObject({ label: "k", credentialType: "API_KEY" });
    expect(JSON.stringify(data)).not.toMatch(/hash|[0-9a-f]{64}/);
  });

  it("comes in pages, and between two moments", async () => {
    const first = await api.ask(admin, EVENTS, { device: "d", first: 2 });
    expect(first.data.deviceEvents.pageInfo).toEqual({ hasNextPage: true, endCursor: "1" });
    const rest = await api.ask(admin, EVENTS, { device: "d", first: 3, after: "1" });
    expect(typesOf(rest.data)).toHaveLength(3);
    expect(rest.data.deviceEvents.pageInfo.hasNextPage).toBe(false);
    const some = await api.ask(admin, EVENTS, { device: "d", first: 10, from: whileNew, to: whileActive });
    expect(typesOf(some.data)).toEqual(["DeviceActivated", "CredentialIssued"]);
    expect(some.data.deviceEvents.totalCount).toBe(2);
  });

  it("is refused for a page too large, a cursor that is none, and a device that is none", async () => {
    expect((await api.ask(admin, EVENTS, { device: "d", first: 501 })).codes).toEqual(["PAGE_TOO_LARGE"]);
    expect((await api.ask(admin, EVENTS, { device: "d", first: 1, after: "x" })).codes).toEqual(["BAD_REQUEST"]);
    expect((await api.ask(admin, EVENTS, { device: "nobody", first: 1 })).codes).toEqual(["NOT_FOUND"]);
  });

  it("shows the device as it stood at any past time", async () => {
    expect(await asOf(beforeRegistration)).toBeNull();
    expect(await asOf(whileNew)).toEqual({
      name: "old",
      status: "REGISTERED",
      revision: 0,
      asOf: whileNew,
      lastSeen: null,
      latestTelemetry: null,
      alerts: null,
      credentials: [],
    });
    expect(await asOf(whileActive)).toMatchObject({ name: "old", status: "ACTIVE", credentials: [{ label: "k" }] });
    expect(await asOf(await later())).toMatchObject({ name: "new", status: "INACTIVE", revision: 4 });
  });
});
