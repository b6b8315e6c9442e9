/** The embedded document store by itself, through the official driver. */
import { MongoClient } from "mongodb";
import type { AnyBulkWriteOperation, Collection } from "mongodb";
import type { Bench } from "./support/bench.js";
import { ratioOf } from "./support/bench.js";
import { startEngine } from "./support/engine.js";
import { timed } from "./support/work.js";

const sizes = { documents: 100_000, bulk: 1_000, reads: 30_000, concurrency: 64, pages: 1_000, sequential: 1_000 };

interface Thing {
  readonly _id: string;
  readonly tenantId: string;
  readonly status: string;
  readonly name: string;
  readonly createdAt: string;
  readonly revision: number;
}

export const documents: Bench<typeof sizes> = {
  about: "the embedded document store in a process of its own: guarded upserts in bulk, reads by id, indexed pages",
  sizes,
  async run({ documents: count, bulk, reads, concurrency, pages, sequential }, say) {
    const engine = await startEngine("documents");
    const client = new MongoClient(engine.url);
    try {
      const things = client.db("bench").collection<Thing>("things");
      await things.createIndex({ tenantId: 1, status: 1, createdAt: -1, _id: 1 });
      say(`· ${sequential} upserts, one after the other`);
      const alone = await timed(sequential, 1, (n) => things.bulkWrite([upsert(n, 0)]));
      say(`· ${count} upserts, ${bulk} at a time`);
      const together = await timed(Math.ceil(count / bulk), 2, (n) =>
        things.bulkWrite(
          Array.from({ length: bulk }, (_, index) => upsert(n * bulk + index, 1)),
          { ordered: false },
        ),
      );
      say(`· ${reads} reads by id, ${concurrency} at a time`);
      const points = await timed(reads, concurrency, (n) => things.findOne({ _id: idOf((n * 7_919) % count) }));
      say(`· ${pages} pages of 50`);
      const paged = await timed(pages, 4, (n) => page(things, n));
      const baseline = { name: "one upsert at a time", per_s: Math.round(alone.perSecond) };
      return {
        figures: {
          upserts_per_s: Math.round(together.perSecond * bulk),
          point_reads_per_s: Math.round(points.perSecond),
          p99_point_read_ms: points.latencies.percentile(99),
          pages_per_s: Math.round(paged.perSecond),
          p50_page_ms: paged.latencies.percentile(50),
          p99_page_ms: paged.latencies.percentile(99),
          documents: await things.estimatedDocumentCount(),
        },
        baseline,
        ratio: ratioOf(together.perSecond * bulk, baseline),
      };
    } finally {
      await client.close();
      await engine.stop();
    }
  },
};

const STATUSES = ["ACTIVE", "INACTIVE", "MAINTENANCE", "REGISTERED"] as const;

function idOf(n: number): string {
  return `bench/device-${n}`;
}

/** As projections write: only over what is older. */
function upsert(n: number, revision: number): AnyBulkWriteOperation<Thing> {
  const thing = {
    tenantId: `tenant-${n % 5}`,
    status: STATUSES[n % STATUSES.length] ?? "ACTIVE",
    name: `Device ${n}`,
    createdAt: new Date(1_700_000_000_000 + ((n * 7_919) % 1_000_003) * 1_000).toISOString(),
    revision,
  };
  return {
    updateOne: { filter: { _id: idOf(n), revision: { $lt: revision } }, update: { $set: thing }, upsert: true },
  };
}

async function page(things: Collection<Thing>, n: number): Promise<void> {
  const filter = { tenantId: `tenant-${n % 5}`, status: STATUSES[n % STATUSES.length] ?? "ACTIVE" };
  const found = await things.find(filter, { sort: { createdAt: -1, _id: 1 }, limit: 50 }).toArray();
  if (found.length !== 50) throw new Error(`a page has ${found.length} documents, not 50`);
}
