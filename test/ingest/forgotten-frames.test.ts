/** nats-server 2.9 may forget, when it is killed, which frames it has given out: they are stored all the same. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startNats } from "../../src/embedded/processes/index.js";
import { connectNats } from "../../src/engines/nats.js";
import { createTelemetryQueries, ensureIngestStreams, startWriter } from "../../src/ingest/index.js";
import { encodeFrame } from "../../src/ingest/frames/frame.js";
import { deviceId, deviceTypeId, tenantId } from "../../src/domain/ids.js";
import { silentLogger } from "../../src/platform/logger.js";
import { createMetrics } from "../../src/platform/metrics.js";
import { streams, subjects } from "../../src/platform/subjects.js";
import { waitFor } from "../support/wait-for.js";
import { influxUnderTest, temporaryDir } from "./support.js";

test("what was given to a writer that died is written by the next, also when JetStream no longer knows of it", async () => {
  const { dir, remove } = await temporaryDir();
  const influx = await influxUnderTest();
  let server = await startNats({ dataDir: dir, logger: silentLogger });
  let nc = await connectNats(server.url, "test");
  await ensureIngestStreams(nc);
  const at = Date.now() - 60_000;
  for (let n = 0; n < 20; n += 1) {
    const reading = {
      tenantId: tenantId("acme"),
      deviceId: deviceId("d1"),
      deviceType: deviceTypeId("sensor"),
      receivedAt: at,
      timestamp: at + n,
      values: { n },
    };
    await nc.jetstream().publish(subjects.frames(0), encodeFrame([reading]));
  }
  const consumer = await nc.jetstream().consumers.get(streams.frames, "writer");
  let given = 0;
  for await (const _ of await consumer.fetch({ max_messages: 15, expires: 5_000 })) given += 1;
  expect(given).toBe(15);
  for (const name of ["processor", "relay", "rollup"]) {
    const other = await nc.jetstream().consumers.get(streams.frames, name);
    for await (const message of await other.fetch({ max_messages: 20, expires: 5_000 })) await message.ackAck();
  }
  await nc.close();
  await server.stop();
  await forgetUnacknowledged(join(dir, "jetstream", "jetstream", "$G", "streams", streams.frames, "obs", "writer"));

  server = await startNats({ dataDir: dir, logger: silentLogger });
  nc = await connectNats(server.url, "test");
  const { num_ack_pending: unacknowledged, delivered } = await (
    await nc.jetstreamManager()
  ).consumers.info(streams.frames, "writer");
  expect([unacknowledged, delivered.stream_seq]).toEqual([0, 15]);
  const writer = startWriter({ nc, influx: influx.influx, logger: silentLogger, metrics: createMetrics() });
  const queries = createTelemetryQueries(influx.influx);
  await waitFor(async () => (await queries.count("acme", { from: 0, to: Date.now() })) === 20);
  const held = async (): Promise<number> =>
    (await (await nc.jetstreamManager()).streams.info(streams.frames)).state.messages;
  await waitFor(async () => (await held()) === 0, { what: "the frames to be removed" });
  await writer.stop();
  await nc.close();
  await server.stop();
  await influx.stop();
  await remove();
}, 60_000);

/** As the server itself left it after every third kill: its place in the stream, and an empty list behind it. */
async function forgetUnacknowledged(folder: string): Promise<void> {
  const path = join(folder, "o.dat");
  const state = await readFile(path);
  let end = 2;
  // Two places acknowledged, two delivered; each a number of as many bytes as it needs.
  for (let numbers = 0; numbers < 4; end += 1) if ((state[end] ?? 0) < 0x80) numbers += 1;
  expect(state[end]).toBeGreaterThan(0);
  await writeFile(path, Buffer.concat([state.subarray(0, end), Buffer.from([0, 0])]));
}
