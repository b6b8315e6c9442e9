/** What is set for a tenant and for its device types, as people set it. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Api } from "./api.js";
import { startApi } from "./api.js";

let api: Api;
let tenant: string;
let admin: string;
let platform: string;

beforeAll(async () => {
  api = await startApi();
  tenant = await api.river.createTenant();
  admin = await api.token(tenant);
  platform = await api.platformToken();
});
afterAll(() => api.stop());

const OWN = `{ tenant { tenantId limits { tenant { messages { perSecond burst } bytes { perSecond } connections } device { messages { burst } connections } } retention { resolution metric days } } }`;

describe("a tenant's limits", () => {
  const SET = `mutation ($input: SetTenantLimitsInput!) { setTenantLimits(input: $input) { shown tenant { tenantId } } }`;
  const limits = {
    tenant: { messages: { perSecond: 100.5, burst: 1000 } },
    device: { connections: 2, messages: null },
  };

  it("are nobody's before they are set", async () => {
    expect((await api.ask(admin, OWN)).data.tenant).toEqual({
      tenantId: tenant,
      limits: { tenant: null, device: null },
      retention: [],
    });
  });

  it("are set by the platform's administrators for a tenant that they name, and seen by those in it", async () => {
    const { data } = await api.ask(platform, SET, { input: { tenantId: tenant, limits } });
    expect(data.setTenantLimits).toEqual({ shown: true, tenant: { tenantId: tenant } });
    expect((await api.ask(await api.token(tenant, "VIEWER"), OWN)).data.tenant.limits).toEqual({
      tenant: { messages: { perSecond: 100.5, burst: 1000 }, bytes: null, connections: null },
      device: { messages: null, connections: 2 },
    });
  });

  it("are not a tenant's own to set, and of a tenant that is there", async () => {
    expect((await api.ask(admin, SET, { input: { tenantId: tenant, limits } })).codes).toEqual(["FORBIDDEN"]);
    expect((await api.ask(platform, SET, { input: { tenantId: "nowhere", limits } })).codes).toEqual(["NOT_FOUND"]);
    const wrong = await api.ask(platform, SET, { input: { tenantId: tenant, limits: { tenant: { connections: 0 } } } });
    expect(wrong.codes).toEqual(["INVALID_VALUE"]);
  });
});

describe("a tenant's retention", () => {
  const SET = `mutation ($input: SetRetentionInput!) { setRetention(input: $input) { shown tenant { retention { resolution metric days } } } }`;
  const rules = [
    { resolution: "RAW", metric: null, days: 30 },
    { resolution: "RAW", metric: "vibration", days: 7 },
  ];

  it("is set whole by its administrators, and kept through a rebuild", async () => {
    const { data } = await api.ask(admin, SET, { input: { rules } });
    expect(data.setRetention).toEqual({ shown: true, tenant: { retention: rules } });
    expect((await api.ask(admin, OWN)).data.tenant.retention).toEqual(rules);
    const tenants = [];
    for await (const one of api.river.readModels.tenants.all()) tenants.push(one);
    expect(tenants.find(({ tenantId }) => tenantId === tenant)?.retention).toEqual([
      { resolution: "RAW", days: 30 },
      { resolution: "RAW", metric: "vibration", days: 7 },
    ]);
    expect((await api.ask(admin, SET, { input: { rules: [] } })).data.setRetention.tenant.retention).toEqual([]);
  });

  it("is refused for two rules that say the same thing twice", async () => {
    const { errors } = await api.ask(admin, SET, { input: { rules: [...rules, ...rules] } });
    expect(errors[0]?.message).toContain("two rules for RAW");
    expect((await api.ask(await api.token(tenant, "OPERATOR"), SET, { input: { rules } })).codes).toEqual([
      "FORBIDDEN",
    ]);
  });
});

describe("a device type", () => {
  const DEFINE = `mutation ($input: DefineDeviceTypeInput!) {
    defineDeviceType(input: $input) {
      shown
      deviceType {
        version reportEvery codec { format protobuf { schema message } }
        metrics { name kind unit min quality { expectedMin expectedMax maxRate stuckAfter } }
      }
    }
  }`;
  const protobuf = { schema: 'syntax = "proto3"; message Reading { double t = 1; }', message: "Reading" };

  it("says quality checks, codec and pace, and JSON where it says no codec", async () => {
    const metrics = [{ name: "t", unit: "Cel", min: null, quality: { expectedMax: 80, maxRate: 2, stuckAfter: null } }];
    const full = { deviceType: "press", metrics, codec: { format: "PROTOBUF", protobuf }, reportEvery: 10 };
    const shown = {
      version: 1,
      reportEvery: 10,
      codec: { format: "PROTOBUF", protobuf },
      metrics: [
        {
          name: "t",
          kind: "NUMBER",
          unit: "Cel",
          min: null,
          quality: { expectedMin: null, expectedMax: 80, maxRate: 2, stuckAfter: null },
        },
      ],
    };
    const { data } = await api.ask(admin, DEFINE, { input: full });
    expect(data.defineDeviceType).toEqual({ shown: true, deviceType: shown });
    expect((await api.ask(admin, DEFINE, { input: full })).data.defineDeviceType.deviceType.version).toBe(1);
    const plain = await api.ask(admin, DEFINE, { input: { deviceType: "press", metrics } });
    expect(plain.data.defineDeviceType.deviceType).toEqual({
      ...shown,
      version: 2,
      reportEvery: null,
      codec: { format: "JSON", protobuf: null },
    });
  });

  it.each(["JSON", "THINGSBOARD", "CBOR", "SENML_JSON", "SENML_CBOR", "SPARKPLUG"])("writes %s", async (format) => {
    const input = { deviceType: `type-${format}`, metrics: [{ name: "t" }], codec: { format } };
    const { data } = await api.ask(admin, DEFINE, { input });
    expect(data.defineDeviceType.deviceType.codec).toEqual({ format, protobuf: null });
  });

  it("is refused where the format and the schema do not go together", async () => {
    const metrics = [{ name: "t" }];
    const without = { deviceType: "x", metrics, codec: { format: "PROTOBUF" } };
    expect((await api.ask(admin, DEFINE, { input: without })).codes).toEqual(["INVALID_VALUE"]);
    const broken = { format: "PROTOBUF", protobuf: { schema: "message {", message: "Reading" } };
    const refused = await api.ask(admin, DEFINE, { input: { deviceType: "x", metrics, codec: broken } });
    expect(refused.codes).toEqual(["INVALID_VALUE"]);
    expect(refused.errors[0]?.message).toMatch(/^the protobuf schema: it cannot be read/u);
    const beside = { deviceType: "x", metrics, codec: { format: "CBOR", protobuf } };
    expect((await api.ask(admin, DEFINE, { input: beside })).codes).toEqual(["INVALID_VALUE"]);
  });
});
