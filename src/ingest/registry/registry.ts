/**
 * What the doors know of devices: a cache of the device read model, told of changes over NATS, so that a change is in
 * force in well under a second and a message costs no query. When the document store is away, what is cached is served:
 * telemetry flows on. A lost notification is made good within a minute, because entries are looked up anew at that age.
 */
import { Events } from "nats";
import type { NatsConnection } from "nats";
import { messageOf } from "../../platform/errors.js";
import type { HasHealth, PartHealth, Running } from "../../platform/lifecycle.js";
import type { Logger } from "../../platform/logger.js";
import { subjects } from "../../platform/subjects.js";
import type { DeviceDocument, DeviceTypeDocument, TenantDocument } from "../../projections/index.js";
import { BoundedMap } from "../../platform/bounded-map.js";
import { accessOf } from "./device-access.js";
import type { DeviceAccess, TenantAccess, TypeAccess } from "./device-access.js";
import { createDevicesByKey } from "./devices-by-key.js";
import { createDevicesOf, createFindNamed } from "../gateways/names.js";
import type { DevicesOf, FindNamed } from "../gateways/names.js";
import { createKnownTenants } from "./known-tenants.js";
import { createSharedFacts } from "./shared-facts.js";
import type { SharedFacts } from "./shared-facts.js";

export interface RegistryOptions {
  readonly nc: NatsConnection;
  readonly logger: Logger;
  readonly findDevice: (tenant: string, device: string) => Promise<DeviceDocument | undefined>;
  readonly findDeviceType: (tenant: string, type: string) => Promise<DeviceTypeDocument | undefined>;
  readonly findTenant: (tenant: string) => Promise<TenantDocument | undefined>;
  /** By the SHA-256, in hex, of a key that was issued to it. */
  readonly findDeviceByKey: (hash: string) => Promise<DeviceDocument | undefined>;
  /** The only device of this name among those that the gateway speaks for. */
  readonly findDeviceNamed: (tenant: string, gateway: string, name: string) => Promise<DeviceDocument | undefined>;
  /** At most `limit` of the devices that the gateway speaks for; without it none are found. */
  readonly findDevicesOf?: (tenant: string, gateway: string, limit: number) => Promise<readonly DeviceDocument[]>;
  /** Devices kept; beyond it the least recently used is forgotten, and costs a query when it comes back. */
  readonly capacity?: number;
  /** An entry older than this is looked up again, behind the answer. */
  readonly freshForMs?: number;
  /** How long "there is no such device" is believed. */
  readonly absentForMs?: number;
}

export interface Registry extends Running, HasHealth {
  /** Rejects only when the device is not cached and the document store does not answer. */
  find(tenant: string, device: string): Promise<DeviceAccess | undefined>;
  /**
   * The device that this key was issued to: for those who log in without saying who they are. Whether the key still opens is for `login`
   * to say. Rejects as `find` does, and with LIMIT_EXCEEDED where too many unknown keys are being tried.
   */
  findByKey(key: string | Buffer): Promise<DeviceAccess | undefined>;
  /** The gateway's device of this name (not: id). Costs a query each time. Rejects as `findByKey` does. */
  readonly findNamed: FindNamed;
  /** All devices that the gateway speaks for; they are cached afterwards. Costs a query each time. Rejects as `findByKey` does. */
  readonly devicesOf: DevicesOf;
  /** Whether there is such a tenant. Rejects only when that is not known and the document store does not answer. */
  hasTenant(tenant: string): Promise<boolean>;
  /** What is cached, at once. Has an old entry looked up again in the background. */
  peek(tenant: string, device: string): DeviceAccess | undefined;
  /** Called after each change of a cached device. Returns the way to unsubscribe. */
  onChange(listener: (access: DeviceAccess) => void): () => void;
}

interface Entry {
  access: DeviceAccess;
  checkedAt: number;
}

const MAX_ABSENT = 10_000;
const MAX_SHARED = 10_000;
const MAX_REFRESHES = 16;
/** After a failed refresh the entry counts as fresh for this long: a store in trouble is not hammered. */
const RETRY_AFTER_MS = 5_000;

export function createRegistry(options: RegistryOptions): Registry {
  const { nc, logger, findDevice, findDeviceType, findTenant, findDeviceByKey } = options;
  const { capacity = 200_000, freshForMs = 60_000, absentForMs = 2_000 } = options;
  const devices = new BoundedMap<string, Entry>(capacity);
  const absent = new BoundedMap<string, number>(MAX_ABSENT);
  const loading = new Map<string, Promise<DeviceAccess | undefined>>();
  /** Documents that were announced while a query for them was under way: the query may show the state before. */
  const announced = new Map<string, DeviceDocument>();
  const listeners = new Set<(access: DeviceAccess) => void>();
  let refreshes = 0;
  let trouble: string | undefined;
  /** Entries checked before this are old, whatever their age: notifications may have been missed. */
  let trustedSince = 0;
  const sharing = {
    isOld,
    failedAt: () => Date.now() - freshForMs + RETRY_AFTER_MS,
    onTrouble: (error: unknown) => {
      trouble = messageOf(error);
    },
    capacity: MAX_SHARED,
  };
  const types = createSharedFacts<Changeable<TypeAccess>, DeviceTypeDocument>({
    ...sharing,
    find: findDeviceType,
    blank: () => ({ metrics: undefined, codec: undefined, reportEvery: undefined }),
    apply: applyType,
  });
  const tenants = createSharedFacts<Changeable<TenantAccess>, TenantDocument>({
    ...sharing,
    find: findTenant,
    blank: () => ({ limits: undefined }),
    apply: applyTenant,
  });
  const findByKey = createDevicesByKey({
    findByHash: findDeviceByKey,
    find,
    take,
    capacity,
    absentForMs,
  });

  const hasTenant = createKnownTenants({ findTenant, absentForMs });
  const devicesOf = createDevicesOf({ findOf: options.findDevicesOf, take });
  const findNamed = createFindNamed({ findByName: options.findDeviceNamed, take, absentForMs });

  const subscriptions = [
    nc.subscribe(subjects.changed("device", "*", "*"), {
      callback: (error, message) => {
        if (error === null) deviceChanged(message.subject, message.data);
      },
    }),
    nc.subscribe(subjects.changed("device-type", "*", "*"), {
      callback: (error, message) => {
        if (error === null) sharedChanged(types, message.subject, message.data);
      },
    }),
    nc.subscribe(subjects.changed("tenant", "*", "*"), {
      callback: (error, message) => {
        if (error === null) sharedChanged(tenants, message.subject, message.data);
      },
    }),
  ];
  void watchConnection();

  function load(key: string, tenant: string, device: string): Promise<DeviceAccess | undefined> {
    const underway = loading.get(key);
    if (underway !== undefined) return underway;
    const started = query(key, tenant, device).finally(() => {
      loading.delete(key);
      announced.delete(key);
    });
    loading.set(key, started);
    return started;
  }

  async function query(key: string, tenant: string, device: string): Promise<DeviceAccess | undefined> {
    let found: DeviceDocument | undefined;
    try {
      found = await findDevice(tenant, device);
      trouble = undefined;
    } catch (error) {
      trouble = messageOf(error);
      throw error;
    }
    found ??= announced.get(key);
    if (found === undefined) {
      devices.delete(key);
      absent.set(key, Date.now() + absentForMs);
      return undefined;
    }
    return keep(key, found);
  }

  async function keep(key: string, found: DeviceDocument): Promise<DeviceAccess> {
    const { tenantId, deviceType } = found;
    const [type, tenant] = await Promise.all([types.get(tenantId, deviceType), tenants.get(tenantId, tenantId)]);
    // Only now, with nothing left to wait for: what is announced from here on finds the entry and changes it.
    const newer = announced.get(key);
    const document = newer !== undefined && newer.revision > found.revision ? newer : found;
    const held = devices.peek(key);
    if (held !== undefined && held.access.revision > document.revision) return held.access;
    const access = accessOf(document, type, tenant);
    const changed = held !== undefined && held.access.revision < document.revision;
    devices.set(key, { access, checkedAt: Date.now() });
    absent.delete(key);
    if (changed) for (const listener of listeners) listener(access);
    return access;
  }

  /** What was found otherwise than by its id. A look-up by id, and only that, is safe against a change that is announced at the same time. */
  async function take(document: DeviceDocument): Promise<DeviceAccess | undefined> {
    const { tenantId, deviceId } = document;
    const key = keyOf(tenantId, deviceId);
    const held = devices.peek(key);
    if (held === undefined) return load(key, tenantId, deviceId);
    return held.access.revision < document.revision ? keep(key, document) : held.access;
  }

  function deviceChanged(subject: string, data: Uint8Array): void {
    const { tenant, id } = namedIn(subject);
    const key = keyOf(tenant, id);
    const known = devices.peek(key);
    if (known === undefined && !loading.has(key) && absent.peek(key) === undefined) return;
    const document = documentIn(data) as DeviceDocument | undefined;
    absent.delete(key);
    if (document === undefined) return;
    if (loading.has(key)) announced.set(key, document);
    if (known === undefined || known.access.revision >= document.revision) return;
    if (known.access.deviceType === document.deviceType) {
      // At once, not behind a promise: a revoked key ends here.
      const access = accessOf(document, known.access.type, known.access.tenant);
      devices.set(key, { access, checkedAt: Date.now() });
      for (const listener of listeners) listener(access);
      return;
    }
    keep(key, document).catch((error: unknown) => {
      logger.warn({ device: key, error: messageOf(error) }, "could not take in a device's change: looking it up later");
      known.checkedAt = 0;
    });
  }

  function sharedChanged<Facts, Document extends { readonly revision: number }>(
    facts: SharedFacts<Facts, Document>,
    subject: string,
    data: Uint8Array,
  ): void {
    const { tenant, id } = namedIn(subject);
    if (!facts.holds(tenant, id)) return;
    const document = documentIn(data) as Document | undefined;
    if (document !== undefined) facts.changed(tenant, id, document);
  }

  function documentIn(data: Uint8Array): unknown {
    try {
      return (JSON.parse(Buffer.from(data).toString("utf8")) as { readonly document?: unknown }).document;
    } catch (error) {
      logger.error(
        { error: messageOf(error) },
        "a change notification is no JSON: is something else publishing on it?",
      );
      return undefined;
    }
  }

  function isOld(checkedAt: number): boolean {
    return checkedAt < trustedSince || Date.now() - checkedAt > freshForMs;
  }

  /** Bounded: what finds no place now is asked for again by its next use. */
  function refresh(key: string, entry: Entry, tenant: string, device: string): void {
    if (refreshes >= MAX_REFRESHES || loading.has(key)) return;
    refreshes += 1;
    load(key, tenant, device)
      .catch(() => {
        entry.checkedAt = Math.max(Date.now() - freshForMs + RETRY_AFTER_MS, trustedSince);
      })
      .finally(() => {
        refreshes -= 1;
      });
  }

  async function watchConnection(): Promise<void> {
    for await (const status of nc.status()) {
      if (status.type === Events.Reconnect) trustedSince = Date.now();
    }
  }

  function peek(tenant: string, device: string): DeviceAccess | undefined {
    const key = keyOf(tenant, device);
    const entry = devices.get(key);
    if (entry === undefined) return undefined;
    if (isOld(entry.checkedAt)) refresh(key, entry, tenant, device);
    return entry.access;
  }

  async function find(tenant: string, device: string): Promise<DeviceAccess | undefined> {
    const held = peek(tenant, device);
    if (held !== undefined) return held;
    const key = keyOf(tenant, device);
    const absentUntil = absent.peek(key);
    if (absentUntil !== undefined && absentUntil > Date.now()) return undefined;
    return load(key, tenant, device);
  }

  return {
    peek,
    find,
    findByKey,
    findNamed,
    devicesOf,
    hasTenant,
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    stop() {
      for (const subscription of subscriptions) subscription.unsubscribe();
      listeners.clear();
      return Promise.resolve();
    },
    health: (): readonly PartHealth[] => [
      trouble === undefined
        ? { name: "registry", state: "up" }
        : { name: "registry", state: "degraded", detail: `serving what is cached: ${trouble}` },
    ],
  };
}

/** Ours to write, everybody else's to read. */
type Changeable<T> = { -readonly [K in keyof T]: T[K] };

function applyType(type: Changeable<TypeAccess>, { metrics, codec, reportEvery }: DeviceTypeDocument): void {
  type.metrics = new Map(metrics.map((metric) => [metric.name, metric]));
  type.codec = codec;
  type.reportEvery = reportEvery;
}

function applyTenant(tenant: Changeable<TenantAccess>, { limits }: TenantDocument): void {
  tenant.limits = limits;
}

function keyOf(tenant: string, id: string): string {
  return `${tenant}/${id}`;
}

/** `….{tenant}.{id}` */
function namedIn(subject: string): { readonly tenant: string; readonly id: string } {
  const [id = "", tenant = ""] = subject.split(".").toReversed();
  return { tenant, id };
}
