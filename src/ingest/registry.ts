/**
 * What the doors know of devices: a cache of the device read model, told of changes over NATS, so that a change is in
 * force in well under a second and a message costs no query. When the document store is away, what is cached is served:
 * telemetry flows on. A lost notification is made good within a minute, because entries are looked up anew at that age.
 */
import { Events } from "nats";
import type { NatsConnection } from "nats";
import { messageOf } from "../platform/errors.js";
import type { HasHealth, PartHealth, Running } from "../platform/lifecycle.js";
import type { Logger } from "../platform/logger.js";
import { subjects } from "../platform/subjects.js";
import type { DeviceDocument, DeviceTypeDocument } from "../projections/index.js";
import { BoundedMap } from "../platform/bounded-map.js";
import { accessOf } from "./device-access.js";
import type { DeviceAccess, TypeAccess } from "./device-access.js";

export interface RegistryOptions {
  readonly nc: NatsConnection;
  readonly logger: Logger;
  readonly findDevice: (tenant: string, device: string) => Promise<DeviceDocument | undefined>;
  readonly findDeviceType: (tenant: string, type: string) => Promise<DeviceTypeDocument | undefined>;
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
  /** What is cached, at once. Has an old entry looked up again in the background. */
  peek(tenant: string, device: string): DeviceAccess | undefined;
  /** Called after each change of a cached device. Returns the way to unsubscribe. */
  onChange(listener: (access: DeviceAccess) => void): () => void;
}

interface Entry {
  access: DeviceAccess;
  checkedAt: number;
}

interface Type extends TypeAccess {
  metrics: TypeAccess["metrics"];
  revision: number;
  checkedAt: number;
}

const MAX_ABSENT = 10_000;
const MAX_REFRESHES = 16;
/** After a failed refresh the entry counts as fresh for this long: a store in trouble is not hammered. */
const RETRY_AFTER_MS = 5_000;

export function createRegistry(options: RegistryOptions): Registry {
  const { nc, logger, findDevice, findDeviceType } = options;
  const { capacity = 200_000, freshForMs = 60_000, absentForMs = 2_000 } = options;
  const devices = new BoundedMap<string, Entry>(capacity);
  const types = new BoundedMap<string, Type>(10_000);
  const absent = new BoundedMap<string, number>(MAX_ABSENT);
  const loading = new Map<string, Promise<DeviceAccess | undefined>>();
  const loadingTypes = new Map<string, Promise<Type>>();
  /** Documents that were announced while a query for them was under way: the query may show the state before. */
  const announced = new Map<string, DeviceDocument>();
  const listeners = new Set<(access: DeviceAccess) => void>();
  let refreshes = 0;
  let trouble: string | undefined;
  /** Entries checked before this are old, whatever their age: notifications may have been missed. */
  let trustedSince = 0;

  const subscriptions = [
    nc.subscribe(subjects.changed("device", "*", "*"), {
      callback: (error, message) => {
        if (error === null) deviceChanged(message.subject, message.data);
      },
    }),
    nc.subscribe(subjects.changed("device-type", "*", "*"), {
      callback: (error, message) => {
        if (error === null) typeChanged(message.subject, message.data);
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
    const newer = announced.get(key);
    if (newer !== undefined && (found === undefined || newer.revision > found.revision)) found = newer;
    if (found === undefined) {
      devices.delete(key);
      absent.set(key, Date.now() + absentForMs);
      return undefined;
    }
    return keep(key, found);
  }

  async function keep(key: string, document: DeviceDocument): Promise<DeviceAccess> {
    const type = await typeOf(document.tenantId, document.deviceType);
    const held = devices.peek(key);
    if (held !== undefined && held.access.revision > document.revision) return held.access;
    const access = accessOf(document, type);
    const changed = held !== undefined && held.access.revision < document.revision;
    devices.set(key, { access, checkedAt: Date.now() });
    absent.delete(key);
    if (changed) for (const listener of listeners) listener(access);
    return access;
  }

  function typeOf(tenant: string, type: string): Promise<Type> {
    const key = keyOf(tenant, type);
    const held = types.get(key);
    if (held !== undefined && !isOld(held.checkedAt)) return Promise.resolve(held);
    const underway = loadingTypes.get(key);
    if (underway !== undefined) return underway;
    const started = loadType(key, tenant, type).finally(() => loadingTypes.delete(key));
    loadingTypes.set(key, started);
    return started;
  }

  async function loadType(key: string, tenant: string, type: string): Promise<Type> {
    try {
      const document = await findDeviceType(tenant, type);
      const held = types.peek(key) ?? { metrics: undefined, revision: -1, checkedAt: 0 };
      held.checkedAt = Date.now();
      types.set(key, held);
      if (document !== undefined) applyType(held, document);
      return held;
    } catch (error) {
      trouble = messageOf(error);
      const held = types.peek(key);
      if (held === undefined) throw error;
      held.checkedAt = Date.now() - freshForMs + RETRY_AFTER_MS;
      return held;
    }
  }

  function deviceChanged(subject: string, data: Uint8Array): void {
    const key = keyFromSubject(subject);
    const known = devices.peek(key);
    if (known === undefined && !loading.has(key) && absent.peek(key) === undefined) return;
    const document = documentIn(data) as DeviceDocument | undefined;
    absent.delete(key);
    if (document === undefined) return;
    if (loading.has(key)) announced.set(key, document);
    if (known === undefined || known.access.revision >= document.revision) return;
    if (known.access.deviceType === document.deviceType) {
      // At once, not behind a promise: a revoked key ends here.
      const access = accessOf(document, known.access.type);
      devices.set(key, { access, checkedAt: Date.now() });
      for (const listener of listeners) listener(access);
      return;
    }
    keep(key, document).catch((error: unknown) => {
      logger.warn({ device: key, error: messageOf(error) }, "could not take in a device's change: looking it up later");
      known.checkedAt = 0;
    });
  }

  function typeChanged(subject: string, data: Uint8Array): void {
    const held = types.peek(keyFromSubject(subject));
    if (held === undefined) return;
    const document = documentIn(data) as DeviceTypeDocument | undefined;
    if (document !== undefined) applyType(held, document);
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

  return {
    peek,
    async find(tenant, device) {
      const held = peek(tenant, device);
      if (held !== undefined) return held;
      const key = keyOf(tenant, device);
      const absentUntil = absent.peek(key);
      if (absentUntil !== undefined && absentUntil > Date.now()) return undefined;
      return load(key, tenant, device);
    },
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

function applyType(held: Type, document: DeviceTypeDocument): void {
  if (document.revision <= held.revision) return;
  held.revision = document.revision;
  held.metrics = new Map(document.metrics.map((metric) => [metric.name, metric]));
}

function keyOf(tenant: string, id: string): string {
  return `${tenant}/${id}`;
}

/** `….{tenant}.{id}` */
function keyFromSubject(subject: string): string {
  const [id = "", tenant = ""] = subject.split(".").toReversed();
  return keyOf(tenant, id);
}
