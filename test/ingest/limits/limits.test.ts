import * as fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import type { TenantLimits } from "../../../src/domain/tenant/index.js";
import type { DefaultLimits } from "../../../src/ingest/index.js";
import { createLimits } from "../../../src/ingest/limits/limits.js";
import { TokenBucket } from "../../../src/ingest/limits/token-bucket.js";
import { createUsage } from "../../../src/ingest/limits/usage.js";
import { waitFor } from "../../support/wait-for.js";
import { accessWith } from "../pipeline/access.js";

const stops: (() => Promise<void>)[] = [];
afterEach(() => Promise.all(stops.splice(0).map((stop) => stop())));

function limitsOf(defaults: DefaultLimits, maxDevices?: number) {
  let now = 0;
  const usage = createUsage();
  const limits = createLimits({
    defaults,
    usage,
    clock: () => now,
    ...(maxDevices === undefined ? {} : { maxDevices }),
  });
  stops.push(() => limits.stop());
  return {
    ...limits,
    kept: () => limits.devices,
    usage,
    pass: (ms: number) => {
      now += ms;
    },
  };
}

const d1 = accessWith();
const d2 = accessWith({ deviceId: "d2" });
const elsewhere = accessWith({ tenantId: "other" });

describe("a bucket", () => {
  it("lets no more through than its burst and its rate allow, however the messages come", () => {
    const arrivals = fc.array(fc.record({ pause: fc.nat(500), cost: fc.integer({ min: 1, max: 30 }) }), {
      maxLength: 200,
    });
    const rates = fc.record({ perSecond: fc.integer({ min: 1, max: 1_000 }), burst: fc.integer({ min: 1, max: 100 }) });
    fc.assert(
      fc.property(rates, arrivals, (rate, messages) => {
        const bucket = new TokenBucket(rate, 0);
        let now = 0;
        let passed = 0;
        let largest = 0;
        for (const { pause, cost } of messages) {
          now += pause;
          if (bucket.waitFor(cost, now) > 0) continue;
          bucket.take(cost);
          passed += cost;
          largest = Math.max(largest, cost);
        }
        // One message may overdraw it, by what it is larger than the burst.
        const most = rate.burst + (now * rate.perSecond) / 1_000 + Math.max(0, largest - rate.burst);
        expect(passed).toBeLessThanOrEqual(most + 1e-6);
      }),
    );
  });

  it("tells the truth about how long it takes: after that time, the message fits", () => {
    const rates = fc.record({ perSecond: fc.integer({ min: 1, max: 5_000 }), burst: fc.integer({ min: 1, max: 100 }) });
    fc.assert(
      fc.property(rates, fc.array(fc.integer({ min: 1, max: 1_000 }), { maxLength: 50 }), (rate, costs) => {
        const bucket = new TokenBucket(rate, 0);
        let now = 0;
        for (const cost of costs) {
          // Waits longer than a minute are told a minute at a time.
          for (let wait = bucket.waitFor(cost, now); wait > 0; wait = bucket.waitFor(cost, now)) now += wait;
          bucket.take(cost);
        }
        const taken = costs.reduce((sum, cost) => sum + cost, 0);
        expect(now).toBeGreaterThanOrEqual(((taken - rate.burst - 1_000) * 1_000) / rate.perSecond);
      }),
    );
  });

  it("lets through what is larger than itself once it is full, and owes for it", () => {
    const bucket = new TokenBucket({ perSecond: 10, burst: 10 }, 0);
    expect(bucket.waitFor(50, 0)).toBe(0);
    bucket.take(50);
    expect(bucket.waitFor(1, 0)).toBe(4_100);
    expect(bucket.waitFor(50, 4_999)).toBeGreaterThan(0);
    expect(bucket.waitFor(50, 5_000)).toBe(0);
  });

  it("gives nobody a burst by a change", () => {
    const bucket = new TokenBucket({ perSecond: 10, burst: 10 }, 0);
    bucket.take(10);
    bucket.change({ perSecond: 10, burst: 5 }, 0);
    expect(bucket.waitFor(1, 0)).toBe(100);
    bucket.change({ perSecond: 1_000, burst: 100 }, 0);
    expect(bucket.waitFor(95, 0)).toBe(0);
    expect(bucket.waitFor(96, 0)).toBe(1);
  });

  it("of nothing a second lets its burst through, and has the rest ask again every minute", () => {
    const bucket = new TokenBucket({ perSecond: 0, burst: 1 }, 0);
    bucket.take(1);
    expect(bucket.waitFor(1, 1_000_000)).toBe(60_000);
  });
});

describe("a message", () => {
  it("waits for its device's limit, which the wait names", () => {
    const limits = limitsOf({ device: { messages: { perSecond: 2_000, burst: 2 } } });
    expect([limits.take(d1, 10), limits.take(d1, 10)]).toEqual([undefined, undefined]);
    expect(limits.take(d1, 10)).toEqual({
      waitMs: 1,
      limit:
        "the limit of device d1 is reached (2,000 messages a second, 2 at once): send more slowly, or ask for a higher limit",
    });
    expect(limits.take(d2, 10)).toBeUndefined();
    limits.pass(1);
    expect(limits.take(d1, 10)).toBeUndefined();
  });

  it("waits for bytes, too, and for the longest of all limits", () => {
    const limits = limitsOf({
      device: { messages: { perSecond: 10, burst: 1 } },
      tenant: { bytes: { perSecond: 100, burst: 100 } },
      platform: { messages: { perSecond: 1, burst: 3 } },
    });
    expect(limits.take(d1, 100)).toBeUndefined();
    expect(limits.take(d1, 50)).toMatchObject({
      waitMs: 500,
      limit: expect.stringContaining("tenant acme is reached (100 bytes"),
    });
    limits.pass(1_000);
    expect([limits.take(elsewhere, 1), limits.take(d2, 1)]).toEqual([undefined, undefined]);
    expect(limits.take(elsewhere, 1)).toBeDefined();
    limits.pass(100);
    limits.take(d1, 1);
    expect(limits.take(elsewhere, 1)).toMatchObject({
      limit: expect.stringContaining("the platform is reached (1 messages"),
    });
  });

  it("is not counted anywhere when one limit holds it back", () => {
    const limits = limitsOf({
      device: { messages: { perSecond: 1, burst: 1 } },
      tenant: { messages: { perSecond: 1, burst: 2 } },
    });
    limits.take(d1, 1);
    for (let time = 0; time < 5; time += 1) expect(limits.take(d1, 1)).toBeDefined();
    expect(limits.tryTake(d1, 1)).toBe(false);
    expect(limits.tryTake(d2, 1)).toBe(true);
    expect(limits.tryTake(accessWith({ deviceId: "d3" }), 1)).toBe(false);
    expect(limits.usage.all().get("acme")?.waits).toBe(5);
  });

  it("has its turn: those who wait for one bucket are not all told to come at once", () => {
    const limits = limitsOf({ tenant: { messages: { perSecond: 100, burst: 1 } } });
    const devices = Array.from({ length: 300 }, (_, index) => accessWith({ deviceId: `d${index}` }));
    limits.take(d1, 1);
    const waits = devices.map((device) => limits.take(device, 1)?.waitMs ?? 0);
    expect(waits.slice(0, 4)).toEqual([10, 20, 30, 40]);
    // Nobody waits for more than a second beyond the first, so each turn is that of three.
    expect(Math.max(...waits)).toBe(1_010);
    expect(Math.max(...[...new Set(waits)].map((wait) => waits.filter((one) => one === wait).length))).toBe(3);
    // Everyone who keeps the turn finds room.
    const turns = waits.slice(0, 100).map((wait, index) => ({ wait, device: devices[index] ?? d1 }));
    let now = 0;
    for (const { wait, device } of turns) {
      limits.pass(wait - now);
      now = wait;
      expect(limits.take(device, 1)).toBeUndefined();
    }
  });

  it("of another tenant is another tenant's", () => {
    const limits = limitsOf({ tenant: { messages: { perSecond: 1, burst: 1 } } });
    expect(limits.take(d1, 1)).toBeUndefined();
    expect(limits.take(d2, 1)).toBeDefined();
    expect(limits.take(elsewhere, 1)).toBeUndefined();
  });

  it("in a batch counts for itself: the batch passes as a whole, and is paid for afterwards", () => {
    const limits = limitsOf({ device: { messages: { perSecond: 10, burst: 10 } } });
    expect(limits.take(d1, 1, 30)).toBeUndefined();
    expect(limits.take(d1, 1)).toMatchObject({ waitMs: 2_100 });
    limits.pass(2_500);
    expect(limits.take(d1, 1, 6)).toBeDefined();
    expect(limits.take(d1, 1, 5)).toBeUndefined();
  });

  it("passes where there are no limits", () => {
    const limits = limitsOf({});
    for (let time = 0; time < 1_000; time += 1) expect(limits.take(d1, 1e9)).toBeUndefined();
  });

  it("is held against the tenant's own limits where it has them, as soon as they have changed", () => {
    const limits = limitsOf({
      device: { messages: { perSecond: 1, burst: 1 }, bytes: { perSecond: 1, burst: 1_000 } },
    });
    const tenant: { limits?: TenantLimits } = {};
    const device = accessWith({ tenant });
    limits.take(device, 1);
    expect(limits.take(device, 1)).toBeDefined();
    tenant.limits = { device: { messages: { perSecond: 1, burst: 4 } } };
    expect([1, 2, 3].map(() => limits.take(device, 1))).toEqual([undefined, undefined, undefined]);
    expect(limits.take(device, 1)).toMatchObject({ limit: expect.stringContaining("1 messages a second, 4 at once") });
    // What the tenant says nothing of is as it was.
    limits.pass(1_000);
    expect(limits.take(device, 2_000)).toMatchObject({ limit: expect.stringContaining("bytes") });
    delete tenant.limits;
    expect(limits.take(device, 1)).toMatchObject({ limit: expect.stringContaining("1 at once") });
  });
});

describe("a connection", () => {
  it("is refused when there are too many of the device, the tenant or the platform", () => {
    const limits = limitsOf({ device: { connections: 1 }, tenant: { connections: 2 }, platform: { connections: 3 } });
    expect(limits.connected(d1)).toBeUndefined();
    expect(limits.connected(d1)).toEqual({
      code: "LIMIT_EXCEEDED",
      message: "device d1 has the 1 connections that its limit allows: close one, or ask for a higher limit",
    });
    expect(limits.connected(d2)).toBeUndefined();
    expect(limits.connected(accessWith({ deviceId: "d3" }))?.message).toMatch(/^tenant acme has the 2/u);
    expect(limits.connected(elsewhere)).toBeUndefined();
    expect(limits.connected(accessWith({ tenantId: "third" }))?.message).toMatch(/^the platform has the 3/u);
    limits.disconnected(d1);
    expect(limits.connected(d1)).toBeUndefined();
    expect(limits.usage.all().get("acme")).toMatchObject({ connections: 2, peakConnections: 2, refusals: 2 });
  });

  it("that was never counted is not taken off", () => {
    const limits = limitsOf({ tenant: { connections: 1 } });
    limits.connected(d1);
    limits.disconnected(d2);
    limits.disconnected(elsewhere);
    expect(limits.connected(d2)).toBeDefined();
  });
});

describe("what is kept of devices", () => {
  it("goes when it is as good as new, and not before", async () => {
    const limits = limitsOf({ device: { messages: { perSecond: 1, burst: 10 } } });
    for (let index = 0; index < 5_000; index += 1) limits.take(accessWith({ deviceId: `x${index}` }), 1);
    limits.connected(d1);
    limits.pass(999);
    limits.take(d2, 1);
    expect(limits.kept()).toBe(5_002);
    limits.pass(1);
    // d1 is connected, and d2 owes still.
    await waitFor(() => limits.kept() === 2);
    limits.disconnected(d1);
    limits.pass(999);
    await waitFor(() => limits.kept() === 0);
  });

  it("is bounded, and the connected are not forgotten for it", () => {
    const limits = limitsOf({ device: { connections: 1, messages: { perSecond: 1, burst: 1 } } }, 2);
    limits.connected(d1);
    for (let index = 0; index < 100; index += 1) limits.take(accessWith({ deviceId: `x${index}` }), 1);
    expect(limits.connected(d1)).toBeDefined();
    expect(limits.take(accessWith({ deviceId: "x99" }), 1)).toBeDefined();
    expect(limits.take(accessWith({ deviceId: "x0" }), 1)).toBeUndefined();
  });
});
