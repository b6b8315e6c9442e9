/** The demo's final account: what was sent, what became of it, and whether the recorded failure was found. */
import type { EventStoreDBClient } from "@eventstore/db-client";
import { setTimeout as sleep } from "node:timers/promises";
import type { AlertLog } from "./alert-log.js";
import type { SimulatedDevice } from "./device.js";
import type { GraphqlClient } from "./graphql-client.js";
import { countAlerts, storedOf } from "./stored.js";

export interface Stored {
  readonly stored: number;
  /** Acknowledged, and not stored. */
  readonly lost: number;
  /** Stored without having been acknowledged: sent, but the answer did not come in time. */
  readonly unanswered: number;
}

const LOOK_EVERY_MS = 250;

/** Waits until every reading sent is answered; gives up when none was for `patienceMs`. */
export async function allAnswered(devices: readonly SimulatedDevice[], patienceMs: number): Promise<void> {
  const open = (): number => devices.reduce((sum, { inFlight }) => sum + inFlight, 0);
  await untilStill(open, (count) => count === 0, patienceMs);
}

/** Counts until all that was acknowledged is stored; gives up when the count stood still for `patienceMs`. */
export async function allStored(
  client: GraphqlClient,
  devices: readonly SimulatedDevice[],
  patienceMs: number,
): Promise<Stored> {
  const counts = new Map<SimulatedDevice, number>();
  const isComplete = (device: SimulatedDevice): boolean => (counts.get(device) ?? 0) >= device.acknowledged;
  const total = (): number => sum([...counts.values()]);
  await untilStill(
    async () => {
      for (const device of devices) if (!isComplete(device)) counts.set(device, await storedOf(client, device));
      return total();
    },
    () => devices.every(isComplete),
    patienceMs,
  );
  const missing = devices.map((device) => device.acknowledged - (counts.get(device) ?? 0));
  return {
    stored: total(),
    lost: sum(missing.filter((count) => count > 0)),
    unanswered: -sum(missing.filter((count) => count < 0)),
  };
}

/**
 * Waits until the subscriber has heard of every alert that there is, and no new one has come for a while; `isIdle` says
 * whether the processor has judged everything, to within the two seconds of its reports. Returns how many the subscriber missed.
 */
export async function allHeard(
  client: GraphqlClient,
  log: AlertLog,
  isIdle: () => boolean,
  patienceMs: number,
): Promise<number> {
  const STILL_MS = 2_500;
  const deadline = performance.now() + patienceMs;
  let count = -1;
  let since = performance.now();
  for (;;) {
    const now = await countAlerts(client);
    if (now !== count) since = performance.now();
    count = now;
    const still = performance.now() - since > STILL_MS;
    if ((still && isIdle() && log.raised >= count) || performance.now() > deadline)
      return Math.max(0, count - log.raised);
    await sleep(LOOK_EVERY_MS);
  }
}

/** Events of the whole history, without the store's own. */
export async function countEvents(client: EventStoreDBClient): Promise<number> {
  let count = 0;
  for await (const { event } of client.readAll()) if (event !== undefined && !event.type.startsWith("$")) count += 1;
  return count;
}

async function untilStill(
  measure: () => number | Promise<number>,
  isDone: (measured: number) => boolean,
  patienceMs: number,
): Promise<void> {
  let last: number | undefined;
  let movedAt = performance.now();
  for (;;) {
    const measured = await measure();
    if (isDone(measured)) return;
    if (measured !== last) movedAt = performance.now();
    if (performance.now() - movedAt > patienceMs) return;
    last = measured;
    await sleep(LOOK_EVERY_MS);
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => a + b, 0);
}
