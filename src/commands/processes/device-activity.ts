/**
 * Last-seen times, and the devices that fall silent. A device that leaves says so, or its connection's end does; one
 * whose gateway died with it does not. So devices that are shown online and that no gateway names any more are swept up:
 * but only after we ourselves have been watching for long enough to know (docs/architecture.md, "Presence is not invented").
 */
import type { AnyBulkWriteOperation, Db } from "mongodb";
import type { NatsConnection } from "nats";
import { isFleetlogError, messageOf } from "../../platform/errors.js";
import { derivedId } from "../../platform/ids.js";
import type { HasHealth, Running } from "../../platform/lifecycle.js";
import type { Logger } from "../../platform/logger.js";
import { Counter } from "../../platform/metrics.js";
import type { Registry } from "../../platform/metrics.js";
import { subjects } from "../../platform/subjects.js";
import type { Commands } from "../index.js";
import { ACTIVITY } from "./device-activity-queries.js";
import type { ActivityDocument } from "./device-activity-queries.js";
import { repeat } from "./repeat.js";
import { SeenDevices } from "./seen-devices.js";
import type { SeenNote } from "./seen-devices.js";

/** What the sweep must know of a device that is shown online; the registry's document has it. */
export interface OnlineDevice {
  /** `{tenant}/{device}`. */
  readonly _id: string;
  readonly tenantId: string;
  readonly deviceId: string;
  readonly connectivity: { readonly since?: string };
}

export interface DeviceActivityDeps {
  readonly nc: NatsConnection;
  readonly db: Db;
  readonly commands: Commands;
  /** Devices of all tenants that are shown online, at most `limit` of them after `afterId`, in the order of `_id`. */
  readonly devices: { online(afterId: string, limit: number): Promise<readonly OnlineDevice[]> };
  readonly logger: Logger;
  readonly metrics: Registry;
}

export interface DeviceActivityOptions {
  /** How long a device may be away before it is said to be offline. */
  readonly graceSeconds: number;
  readonly storeMs?: number;
  readonly sweepMs?: number;
  /** Gateways tell every 5 s: without a word for so long, a device, or all gateways, are not there. */
  readonly silenceMs?: number;
  /** Ms since the epoch; the machine's own when left out. */
  readonly clock?: () => number;
}

export interface DeviceActivity extends Running, HasHealth {
  /** Whether the device was connected, or heard, after `at` (ms since the epoch), as far as gateways have told. */
  namedSince(tenantId: string, deviceId: string, at: number): boolean;
}

const PAGE = 500;
const WRITE = 1_000;
/** Without any gateway's word for so long, it is the devices that are cut off and no longer only we who do not see them. */
const BLIND_MS = 300_000;

export function startDeviceActivity(deps: DeviceActivityDeps, options: DeviceActivityOptions): DeviceActivity {
  const { nc, db, commands, devices, logger, metrics } = deps;
  const { graceSeconds, storeMs = 10_000, sweepMs = 15_000, silenceMs = 15_000, clock = Date.now } = options;
  const awayMs = graceSeconds * 1_000 + silenceMs;
  const seen = new SeenDevices();
  const collection = db.collection<ActivityDocument>(ACTIVITY);
  const startedAt = clock();
  /** Since when gateways have told us without a gap. */
  let watchingSince = startedAt;
  let toldAt: number | undefined;
  const troubles = new Map<string, string>();
  let stopped = false;
  const silent = new Counter({
    name: "fleetlog_silent_devices_total",
    help: "Devices that were said to be offline because no gateway named them any more.",
    registers: [metrics],
  });

  const subscription = nc.subscribe(subjects.seen, {
    callback: (error, message) => {
      if (error !== null) return;
      try {
        const now = clock();
        if (toldAt === undefined || now - toldAt > silenceMs) watchingSince = now;
        toldAt = now;
        seen.note(message.json<SeenNote>());
      } catch (failure) {
        logger.warn({ error: messageOf(failure) }, "a gateway's word on who it saw cannot be read");
      }
    },
  });

  async function store(): Promise<void> {
    let batch: [id: string, heardAt: number][] = [];
    const write = async (): Promise<void> => {
      const written = batch;
      batch = [];
      if (written.length === 0) return;
      await collection.bulkWrite(written.map(toOperation), { ordered: false });
      for (const [id, heardAt] of written) seen.stored(id, heardAt);
    };
    for (const [id, heardAt] of seen.unstored()) {
      batch.push([id, heardAt]);
      if (batch.length === WRITE) await write();
    }
    await write();
  }

  /** Whether our own eyes have been open for long enough to say that something is not there. */
  function canTell(now: number): boolean {
    if (now - watchingSince <= awayMs) return false;
    const quietMs = now - (toldAt ?? startedAt);
    return quietMs <= silenceMs || quietMs > BLIND_MS;
  }

  async function sweep(): Promise<void> {
    if (!canTell(clock())) return;
    let afterId = "";
    for (;;) {
      const page = await devices.online(afterId, PAGE);
      const now = clock();
      const unnamed = page.filter(({ _id }) => now - (seen.namedAt(_id) ?? 0) > awayMs);
      const lastSeen = await findLastSeen(unnamed.map(({ _id }) => _id));
      for (const device of unnamed) {
        if (stopped || !canTell(clock())) return;
        const heardAt = lastWordOf(device, lastSeen.get(device._id));
        if (now - (heardAt ?? 0) > awayMs) await reportSilent(device, heardAt);
      }
      const last = page.at(-1);
      if (last === undefined || page.length < PAGE) break;
      afterId = last._id;
    }
    seen.forget(clock() - 2 * awayMs);
  }

  async function findLastSeen(ids: readonly string[]): Promise<ReadonlyMap<string, number>> {
    const found = await collection.find({ _id: { $in: [...ids] } }).toArray();
    return new Map(found.map(({ _id, lastSeenAt }) => [_id, lastSeenAt]));
  }

  async function reportSilent(device: OnlineDevice, heardAt: number | undefined): Promise<void> {
    const { tenantId, deviceId, connectivity } = device;
    const now = new Date().toISOString();
    const since = heardAt === undefined ? now : new Date(heardAt).toISOString();
    try {
      await commands.execute({
        category: "device",
        tenantId,
        id: deviceId,
        command: { type: "ReportOffline", at: now, data: { since, reason: "silent" } },
        // One for each time that it was online: two sweeps, or two of us, say it once.
        commandId: derivedId("silent", tenantId, deviceId, connectivity.since ?? ""),
        actor: { kind: "system", part: "device-activity" },
      });
      silent.inc();
    } catch (error) {
      if (!isFleetlogError(error) || error.code === "UNAVAILABLE") throw error;
      logger.warn({ tenantId, deviceId, code: error.code, error: error.message }, "a silent device stays online");
    }
  }

  const storing = repeat(storeMs, store, tellTrouble("the last-seen times are not stored"));
  const sweeping = repeat(sweepMs, sweep, tellTrouble("silent devices are not looked for"));

  function tellTrouble(what: string): (error: unknown) => void {
    return (error) => {
      if (error === undefined) {
        troubles.delete(what);
        return;
      }
      troubles.set(what, `${what}: ${messageOf(error)}`);
      logger.warn({ error: messageOf(error) }, `${what}; trying again`);
    };
  }

  return {
    namedSince: (tenantId, deviceId, at) => (seen.namedAt(`${tenantId}/${deviceId}`) ?? 0) > at,
    async stop() {
      if (stopped) return;
      stopped = true;
      subscription.unsubscribe();
      await sweeping.stop();
      await storing.stop();
      await store().catch((error: unknown) => {
        logger.warn({ error: messageOf(error) }, "the last last-seen times were not stored");
      });
    },
    health() {
      const [detail] = troubles.values();
      const name = "device-activity";
      return [detail === undefined ? { name, state: "up" } : { name, state: "degraded", detail }];
    },
  };
}

/** That it came online is a word, too: before the gateway first names it, or in place of that where it left at once. */
function lastWordOf({ connectivity: { since } }: OnlineDevice, seenAt: number | undefined): number | undefined {
  if (since === undefined) return seenAt;
  return Math.max(Date.parse(since), seenAt ?? 0);
}

function toOperation([id, heardAt]: readonly [id: string, heardAt: number]): AnyBulkWriteOperation<ActivityDocument> {
  const [tenantId = "", deviceId = ""] = id.split("/");
  return {
    updateOne: {
      filter: { _id: id },
      update: { $max: { lastSeenAt: heardAt }, $setOnInsert: { tenantId, deviceId } },
      upsert: true,
    },
  };
}
