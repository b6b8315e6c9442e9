import { afterAll, beforeAll, expect, test } from "vitest";
import type { Reading } from "../../../src/ingest/index.js";
import { openMarks } from "../../../src/ingest/rollups/marks.js";
import { streams } from "../../../src/platform/subjects.js";
import { waitFor } from "../../support/wait-for.js";
import { DAY, HOUR, MINUTE, expected, reading, startStores } from "./support.js";
import type { Stores } from "./support.js";

let stores: Stores;
const midnight = Math.floor(Date.now() / DAY) * DAY - DAY;
const begin = midnight + 30_000;
let now = begin;
const span = { from: midnight - DAY, to: midnight + 2 * DAY };
const all: Reading[] = [];

beforeAll(async () => {
  stores = await startStores();
}, 120_000);
afterAll(() => stores.stop());

async function send(...readings: readonly Reading[]): Promise<void> {
  await stores.store(...readings);
  all.push(...readings);
}

async function passed(): Promise<void> {
  const manager = await stores.nats.nc.jetstreamManager();
  await waitFor(async () => {
    const { num_pending, num_ack_pending } = await manager.consumers.info(streams.frames, "rollup");
    return num_pending + num_ack_pending === 0;
  });
}

async function closedUntil(time: number): Promise<void> {
  now = time;
  const marks = await openMarks(stores.nats.nc);
  await waitFor(async () => ((await marks.closed())?.MINUTE ?? 0) >= Math.floor(time / MINUTE) * MINUTE);
}

function minute(at: number, devices: readonly string[]): readonly Reading[] {
  return devices.flatMap((device) =>
    Array.from({ length: 20 }, (_, n) => reading("acme", device, at + n * 1_000, { t: n, u: at % 7, note: "x" })),
  );
}

test("minutes of now are rolled up as they pass; what is sent twice, out of order, or across restarts as it is stored", async () => {
  const writer = stores.startWriter();
  const clock = { now: () => now };
  let rollups = stores.startRollups(clock);
  await send(...minute(begin, ["d1", "d2"]));
  const twice = minute(begin + MINUTE, ["d1"]);
  await send(...twice);
  await send(...twice, ...minute(begin + MINUTE, ["d2"]).toReversed());
  await passed();
  await closedUntil(begin + 2 * MINUTE);
  // Half of this minute passes one roller by, the other half the next.
  await send(...minute(begin + 2 * MINUTE, ["d1"]).slice(0, 10));
  await passed();
  await rollups.stop();
  await send(...minute(begin + 2 * MINUTE, ["d1"]).slice(10));
  rollups = stores.startRollups(clock);
  // A device whose clock is ahead.
  await send(reading("acme", "ahead", begin + 20 * MINUTE, { t: 5 }));
  await passed();
  await closedUntil(begin + 3 * MINUTE);
  for (let n = 4; n < 12; n += 1) {
    await send(...minute(begin + n * MINUTE, ["d1", "d2", "d3"]));
    await passed();
    now = begin + n * MINUTE;
  }
  await closedUntil(midnight + 2 * HOUR);
  for (const level of ["MINUTE", "HOUR"] as const) {
    expect(await stores.rollups(level, span)).toEqual(expected(level, all));
  }
  await writer.stop();
}, 120_000);

test("what the store did not take when its minute was closed is not lost", async () => {
  const writer = stores.startWriter();
  const at = midnight + 2 * HOUR + 20 * MINUTE;
  now = at;
  await send(...minute(at, ["d5"]));
  await passed();
  await stores.written();
  const pid = stores.influx.server.pid() ?? 0;
  process.kill(pid, "SIGSTOP");
  now = at + 2 * MINUTE;
  const marks = await openMarks(stores.nats.nc);
  process.kill(pid, "SIGKILL");
  await waitFor(async () => ((await marks.closed())?.MINUTE ?? 0) >= at + MINUTE, { what: "the closing" });
  expect(await stores.rollups("MINUTE", { from: at, to: at + MINUTE })).toEqual(expected("MINUTE", minute(at, ["d5"])));
  await writer.stop();
}, 120_000);
