/** Readings that InfluxDB refuses for good, each with its line and the reason: into the same ledger as what the doors refuse. */
import type { NatsConnection } from "nats";
import { derivedId } from "../../platform/ids.js";
import { subjects } from "../../platform/subjects.js";
import type { Reading } from "../reading.js";
import { encodeRejection } from "./rejection.js";
import type { RejectionCount, RejectionCounts } from "./rejection.js";

export interface DeadLetter {
  readonly reading: Reading;
  readonly line: string;
  readonly reason: string;
}

/** Of one batch so many are kept whole; the rest are counted. */
const MAX_KEPT = 200;
const CODE = "INVALID_VALUE";

/** Resolves once JetStream has them; rejects when it does not answer, and then all of them may be given again: each is kept once. */
export async function keepDeadLetters(nc: NatsConnection, letters: readonly DeadLetter[]): Promise<void> {
  const js = nc.jetstream();
  const at = Date.now();
  await Promise.all(
    letters.slice(0, MAX_KEPT).map(async ({ reading, line, reason }) => {
      const { tenantId, deviceId } = reading;
      // The same reading refused again, after a crash before the acknowledgement, is the same rejection.
      const msgID = `${tenantId}/${deviceId}/${line.slice(line.lastIndexOf(" ") + 1)}`;
      const kept = encodeRejection({
        id: derivedId("rejection", msgID),
        door: "writer",
        why: { code: CODE, message: reason },
        topic: "sensor_data",
        payload: Buffer.from(JSON.stringify({ ts: reading.timestamp, values: reading.values })),
        at,
        form: { as: "reading", reading },
        line,
      });
      await js.publish(subjects.rejection(tenantId, deviceId), kept, { msgID });
    }),
  );
  for (const [tenantId, ofTenant] of countsByTenant(letters.slice(MAX_KEPT))) {
    const body: RejectionCounts = { at, counts: ofTenant };
    const msgID = derivedId("rejection-counts", tenantId, letters[0]?.line ?? "", letters.length);
    await js.publish(subjects.rejectionCounts(tenantId), JSON.stringify(body), { msgID });
  }
}

function countsByTenant(letters: readonly DeadLetter[]): ReadonlyMap<string, readonly RejectionCount[]> {
  const counts = new Map<string, Map<string, number>>();
  for (const { reading } of letters) {
    const ofTenant = counts.get(reading.tenantId) ?? new Map<string, number>();
    counts.set(reading.tenantId, ofTenant.set(reading.deviceId, (ofTenant.get(reading.deviceId) ?? 0) + 1));
  }
  return new Map(
    [...counts].map(([tenantId, ofTenant]) => [
      tenantId,
      [...ofTenant].map(([deviceId, count]) => ({ deviceId, door: "writer", code: CODE, count })),
    ]),
  );
}
