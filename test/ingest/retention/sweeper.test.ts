import { afterAll, beforeAll, expect, test } from "vitest";
import { openMarks } from "../../../src/ingest/index.js";
import { createSweeper } from "../../../src/ingest/retention/sweeper.js";
import type { Sweeper } from "../../../src/ingest/retention/sweeper.js";
import type { Marks } from "../../../src/ingest/rollups/marks.js";
import { startRollups } from "../../../src/ingest/rollups/rollups.js";
import { silentLogger } from "../../../src/platform/logger.js";
import { createMetrics } from "../../../src/platform/metrics.js";
import { waitFor } from "../../support/wait-for.js";
import { DAY, MINUTE, reading, startStores } from "../rollups/support.js";
import type { Stores } from "../rollups/support.js";

let stores: Stores;
const midnight = Math.floor(Date.now() / DAY) * DAY;
beforeAll(async () => {
  stores = await startStores();
  stores.startWriter();
  await stores.store(reading("acme", "d1", midnight - 3 * DAY, { t: 1 }));
  await stores.written();
}, 120_000);
afterAll(() => stores.stop());

test("a deletion that takes long does not hold minutes up, and is over before the lease goes", async () => {
  let began = 0;
  let isOver = false;
  const endless: Sweeper = {
    async sweep(_marks, signal) {
      began += 1;
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
      isOver = true;
    },
  };
  let now = midnight;
  const rollups = startRollups(
    {
      nc: stores.nats.nc,
      influx: stores.influx.influx,
      logger: silentLogger,
      metrics: createMetrics(),
      owner: "test",
      sweeper: endless,
    },
    { graceMs: 0, lateDelayMs: 0, everyMs: 20, now: () => now },
  );
  await waitFor(() => began === 1, { what: "the deletion to begin" });
  now = midnight + 5 * MINUTE;
  await stores.closed(now);
  expect(isOver).toBe(false);
  await rollups.stop();
  expect([began, isOver]).toEqual([1, true]);
});

test("what is carried out is not looked up again until something is due", async () => {
  const marks = await openMarks(stores.nats.nc);
  const reads: string[] = [];
  const counted: Marks = {
    ...marks,
    deleted: (tenant) => (reads.push(`deleted ${tenant}`), marks.deleted(tenant)),
    swept: (tenant) => (reads.push(`swept ${tenant}`), marks.swept(tenant)),
  };
  let days = 2;
  const sweeper = createSweeper(
    {
      influx: stores.influx.influx,
      async *tenants() {
        yield { tenant: "acme", rules: [{ resolution: "RAW", days }] };
      },
      logger: silentLogger,
      metrics: createMetrics(),
    },
    { everyMs: 0 },
  );
  const { signal } = new AbortController();
  await sweeper.sweep(counted, signal);
  expect(reads).toEqual(["deleted acme", "swept acme"]);
  await sweeper.sweep(counted, signal);
  expect(reads).toHaveLength(2);
  days = 1;
  await sweeper.sweep(counted, signal);
  expect(reads).toHaveLength(4);
  // Another term: another may have swept, by other rules, in between.
  await sweeper.sweep({ ...counted }, signal);
  expect(reads).toHaveLength(5);
});
