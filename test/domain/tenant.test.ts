import { describe, it } from "vitest";
import { tenantId } from "../../src/domain/ids.js";
import { tenantDecider } from "../../src/domain/tenant/index.js";
import type {
  CreateTenant,
  RetentionRule,
  TenantCreated,
  TenantEvent,
  TenantLimits,
} from "../../src/domain/tenant/index.js";
import { specify } from "../support/decider-specification.js";
import { NOW } from "./clock.js";

const { given } = specify(tenantDecider);
const create = (name: string): CreateTenant => ({
  type: "CreateTenant",
  at: NOW,
  data: { tenantId: tenantId("acme"), name },
});
const created: TenantCreated = { type: "TenantCreated", data: { tenantId: tenantId("acme"), name: "Acme" } };

describe("a tenant", () => {
  it("is created", () => given().when(create("Acme")).then(created));

  it("is created once", () => given(created).when(create("Acme")).thenRefused("ALREADY_EXISTS", /acme/u));

  it("has a name of at most 255 characters", () => {
    given()
      .when(create("x".repeat(256)))
      .thenRefused("INVALID_VALUE", /name has at most 255/u);
  });

  it.each(["", "   ", "\t\n"])("needs a name that says something, not %j", (name) =>
    given().when(create(name)).thenRefused("INVALID_VALUE", /name/u),
  );
});

const setLimits = (limits: TenantLimits) => ({ type: "SetTenantLimits", at: NOW, data: { limits } }) as const;
const limited = (limits: TenantLimits): TenantEvent => ({ type: "TenantLimitsChanged", data: { limits } });

describe("a tenant's limits", () => {
  const all: TenantLimits = {
    tenant: { messages: { perSecond: 100, burst: 1 }, bytes: { perSecond: 0.5, burst: 1e6 }, connections: 1 },
    device: { connections: 5 },
  };

  it("are set whole", () => {
    given(created).when(setLimits(all)).then(limited(all));
    given(created, limited(all)).when(setLimits({})).then(limited({}));
  });

  it("that are set again are so already", () => {
    given(created).when(setLimits({})).thenNothing();
    given(created, limited(all)).when(setLimits(all)).thenNothing();
  });

  it("are those of a tenant that is there", () => given().when(setLimits(all)).thenRefused("NOT_FOUND"));

  it.each<[TenantLimits, RegExp]>([
    [{ tenant: { messages: { perSecond: 0, burst: 1 } } }, /tenant\.messages\.perSecond 0/u],
    [{ device: { messages: { perSecond: Number.POSITIVE_INFINITY, burst: 1 } } }, /device\.messages\.perSecond/u],
    [{ device: { bytes: { perSecond: 1, burst: 0.5 } } }, /device\.bytes\.burst 0\.5/u],
    [{ tenant: { bytes: { perSecond: 1, burst: Number.NaN } } }, /tenant\.bytes\.burst NaN/u],
    [{ tenant: { connections: 0 } }, /tenant\.connections 0/u],
    [{ device: { connections: 1.5 } }, /device\.connections 1\.5/u],
  ])("%j are refused", (limits, message) =>
    given(created).when(setLimits(limits)).thenRefused("INVALID_VALUE", message),
  );
});

const keep = (...retention: readonly RetentionRule[]) =>
  ({ type: "SetRetention", at: NOW, data: { retention } }) as const;
const kept = (...retention: readonly RetentionRule[]): TenantEvent => ({
  type: "RetentionChanged",
  data: { retention },
});

describe("a tenant's retention", () => {
  const raw: RetentionRule = { resolution: "RAW", days: 30 };
  const vibration: RetentionRule = { resolution: "RAW", metric: "vibration", days: 7 };
  const hourly: RetentionRule = { resolution: "HOUR", days: 730 };

  it("is set whole", () => {
    given(created)
      .when(keep(raw, vibration, hourly))
      .then(kept(raw, vibration, hourly));
    given(created, kept(raw, hourly)).when(keep(hourly)).then(kept(hourly));
    given(created, kept(raw)).when(keep()).then(kept());
  });

  it("that is set again is so already, in whatever order", () => {
    given(created).when(keep()).thenNothing();
    given(created, kept(raw, vibration, hourly))
      .when(keep(hourly, raw, vibration))
      .thenNothing();
  });

  it("is that of a tenant that is there", () => given().when(keep(raw)).thenRefused("NOT_FOUND"));

  it.each<[string, readonly RetentionRule[], RegExp]>([
    ["days that are none", [{ ...raw, days: 0 }], /rule for RAW: days 0/u],
    ["half a day", [{ ...vibration, days: 1.5 }], /rule for vibration at RAW: days 1\.5/u],
    ["days beyond all time", [{ ...raw, days: 1e6 }], /days 1000000/u],
    ["two rules for one thing", [raw, hourly, { ...raw, days: 5 }], /two rules for RAW/u],
    ["two rules for one metric", [vibration, raw, vibration], /two rules for vibration at RAW/u],
    ["a metric that cannot be one", [{ ...raw, metric: "a b" }], /"a b"/u],
  ])("is refused with %s", (_, rules, message) =>
    given(created)
      .when(keep(...rules))
      .thenRefused("INVALID_VALUE", message),
  );

  it("has at most 1,000 rules", () => {
    const many = Array.from({ length: 1_001 }, (_, n): RetentionRule => ({ ...raw, metric: `m${n}` }));
    given(created)
      .when(keep(...many))
      .thenRefused("LIMIT_EXCEEDED", /1000.*1001/u);
  });
});
