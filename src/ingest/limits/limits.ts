/**
 * What a door asks before it takes a message or a connection in. The buckets are those of this process: a device speaks to
 * one gateway at a time, so its limit is what it says; a tenant's or the platform's holds for each gateway by itself.
 */
import type { Limits as Bounds, TenantLimits } from "../../domain/tenant/index.js";
import type { Running } from "../../platform/lifecycle.js";
import type { DeviceAccess } from "../registry/device-access.js";
import { refusal } from "../pipeline/refusal.js";
import type { Refusal } from "../pipeline/refusal.js";
import { Meter } from "./meter.js";
import type { Usage } from "./usage.js";

/** A limit is reached: how long until the message fits, and one sentence that names the limit and what to do. */
export interface Wait {
  readonly waitMs: number;
  readonly limit: string;
}

export interface Limits {
  /**
   * Counts a message against the device's, the tenant's and the platform's buckets. `undefined`: it fits, and is counted.
   * Otherwise nothing is counted: a door that can hold its sender back (MQTT: it stops reading the socket) does so for
   * `waitMs` and asks again; one that cannot (HTTP, CoAP) refuses with LIMIT_EXCEEDED, `limit` and Retry-After.
   * A batch counts as so many messages, which pass together or not at all.
   */
  take(access: DeviceAccess, bytes: number, messages?: number): Wait | undefined;
  /** `take` for who asks in full later, when it does not fit: false, and nothing is told or counted as a wait. */
  tryTake(access: DeviceAccess, bytes: number): boolean;
  /** Counts a connection that has logged in; LIMIT_EXCEEDED when there are too many. Each success is answered by one `disconnected`. */
  connected(access: DeviceAccess): Refusal | undefined;
  disconnected(access: DeviceAccess): void;
}

/** What holds where a tenant has no limits of its own; what is not given is not limited. */
export interface DefaultLimits extends TenantLimits {
  /** Of all tenants together, in this process. */
  readonly platform?: Bounds;
}

export interface LimitsOptions {
  readonly defaults: DefaultLimits;
  readonly usage: Usage;
  /** Devices whose buckets are kept at one time; see `makeRoom`. */
  readonly maxDevices?: number;
  /** Ms; must not run backwards. */
  readonly clock?: () => number;
}

interface TenantMeter {
  readonly meter: Meter;
  /** The limits that `meter` was given; another object means that they have changed. */
  limits: TenantLimits | undefined;
  deviceLimits: Bounds;
  readonly devices: Map<string, DeviceMeter>;
}

interface DeviceMeter {
  readonly meter: Meter;
  limits: Bounds;
}

const MAX_DEVICES = 200_000;
/** When one has to go. */
const LOOKED_AT = 64;
const SWEEP_EVERY_MS = 100;
/** Looked at in one sweep: so few that no message waits for it. */
const SWEPT_AT_ONCE = 2_000;

export interface KeptLimits extends Limits, Running {
  /** Whose buckets are kept. */
  readonly devices: number;
}

export function createLimits(options: LimitsOptions): KeptLimits {
  const { defaults, usage, maxDevices = MAX_DEVICES, clock = () => performance.now() } = options;
  const platform = new Meter(defaults.platform ?? {}, clock());
  const tenants = new Map<string, TenantMeter>();
  let devices = 0;
  let sweeping = sweep();
  const timer = setInterval(() => {
    if (sweeping.next().done === true) sweeping = sweep();
  }, SWEEP_EVERY_MS);
  timer.unref();

  function tenantOf({ tenantId, tenant }: DeviceAccess, now: number): TenantMeter {
    const limits = tenant?.limits;
    const held = tenants.get(tenantId);
    if (held !== undefined && held.limits === limits) return held;
    const deviceLimits = { ...defaults.device, ...limits?.device };
    const tenantLimits = { ...defaults.tenant, ...limits?.tenant };
    if (held === undefined) {
      const made = { meter: new Meter(tenantLimits, now), limits, deviceLimits, devices: new Map() };
      tenants.set(tenantId, made);
      return made;
    }
    held.limits = limits;
    held.deviceLimits = deviceLimits;
    held.meter.change(tenantLimits, now);
    return held;
  }

  function deviceOf(tenant: TenantMeter, { deviceId }: DeviceAccess, now: number): Meter {
    const held = tenant.devices.get(deviceId);
    if (held !== undefined) {
      if (held.limits !== tenant.deviceLimits) {
        held.limits = tenant.deviceLimits;
        held.meter.change(tenant.deviceLimits, now);
      }
      return held.meter;
    }
    if (devices >= maxDevices) makeRoom(tenant);
    const meter = new Meter(tenant.deviceLimits, now);
    tenant.devices.set(deviceId, { meter, limits: tenant.deviceLimits });
    devices += 1;
    return meter;
  }

  /**
   * The tenant that brings one device too many loses its oldest that is not connected: that one gets a new burst. Where
   * those that were looked at are all connected, there is one more: connections have a bound of their own.
   */
  function makeRoom(tenant: TenantMeter): void {
    let looked = 0;
    for (const [deviceId, device] of tenant.devices) {
      tenant.devices.delete(deviceId);
      if (device.meter.connections === 0) {
        devices -= 1;
        return;
      }
      // To the end, so that the next one does not look at the same again.
      tenant.devices.set(deviceId, device);
      looked += 1;
      if (looked === LOOKED_AT) return;
    }
  }

  /** Drops what is idle: a full bucket is as good as none. A few at a time, over and over. */
  function* sweep(): Generator<void, void, void> {
    let seen = 0;
    for (const [tenantId, tenant] of tenants) {
      for (const [deviceId, { meter }] of tenant.devices) {
        seen += 1;
        if (seen % SWEPT_AT_ONCE === 0) yield;
        if (!meter.isIdle(clock()) || tenant.devices.get(deviceId)?.meter !== meter) continue;
        tenant.devices.delete(deviceId);
        devices -= 1;
      }
      seen += 1;
      if (seen % SWEPT_AT_ONCE === 0) yield;
      if (tenant.devices.size === 0 && tenant.meter.isIdle(clock())) tenants.delete(tenantId);
    }
  }

  function tryTake(access: DeviceAccess, bytes: number, messages: number): boolean {
    const now = clock();
    const tenant = tenantOf(access, now);
    const device = deviceOf(tenant, access, now);
    if (device.waitFor(messages, bytes, now) > 0) return false;
    if (tenant.meter.waitFor(messages, bytes, now) > 0 || platform.waitFor(messages, bytes, now) > 0) return false;
    device.take(messages, bytes);
    tenant.meter.take(messages, bytes);
    platform.take(messages, bytes);
    return true;
  }

  return {
    tryTake: (access, bytes) => tryTake(access, bytes, 1),
    take(access, bytes, messages = 1) {
      if (tryTake(access, bytes, messages)) return undefined;
      usage.waited(access.tenantId);
      const now = clock();
      const tenant = tenantOf(access, now);
      const device = deviceOf(tenant, access, now);
      const forDevice = device.waitFor(messages, bytes, now);
      const forTenant = tenant.meter.waitFor(messages, bytes, now);
      const forPlatform = platform.waitFor(messages, bytes, now);
      if (forDevice >= forTenant && forDevice >= forPlatform) {
        return waitOf(`device ${access.deviceId}`, device.refuse(messages, bytes, now));
      }
      if (forTenant >= forPlatform) {
        return waitOf(`tenant ${access.tenantId}`, tenant.meter.refuse(messages, bytes, now));
      }
      return waitOf("the platform", platform.refuse(messages, bytes, now));
    },
    connected(access) {
      const now = clock();
      const tenant = tenantOf(access, now);
      const device = deviceOf(tenant, access, now);
      if (device.isFull || tenant.meter.isFull || platform.isFull) {
        usage.refused(access.tenantId);
        const [who, { limits }] = device.isFull
          ? [`device ${access.deviceId}`, device]
          : tenant.meter.isFull
            ? [`tenant ${access.tenantId}`, tenant.meter]
            : ["the platform", platform];
        return refusal(
          "LIMIT_EXCEEDED",
          `${who} has the ${limits.connections ?? 0} connections that its limit allows: close one, or ask for a higher limit`,
        );
      }
      device.connections += 1;
      tenant.meter.connections += 1;
      platform.connections += 1;
      usage.connections(access.tenantId, tenant.meter.connections);
      return undefined;
    },
    disconnected(access) {
      const tenant = tenants.get(access.tenantId);
      const device = tenant?.devices.get(access.deviceId)?.meter;
      if (tenant === undefined || device === undefined || device.connections === 0) return;
      device.connections -= 1;
      tenant.meter.connections -= 1;
      platform.connections -= 1;
      usage.connections(access.tenantId, tenant.meter.connections);
    },
    get devices() {
      return devices;
    },
    stop() {
      clearInterval(timer);
      return Promise.resolve();
    },
  };
}

function waitOf(who: string, { waitMs, rule }: ReturnType<Meter["refuse"]>): Wait {
  return { waitMs, limit: `the limit of ${who} is reached (${rule}): send more slowly, or ask for a higher limit` };
}
