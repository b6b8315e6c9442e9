/** Engines that are there and say nothing: the hardest to notice, as no connection breaks. */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import type { AddressInfo, Server } from "node:net";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startNats } from "../../src/embedded/processes/index.js";
import type { LocalServer } from "../../src/embedded/processes/index.js";
import { connectEventStore } from "../../src/engines/eventstore.js";
import { connectInflux } from "../../src/engines/influx.js";
import { connectMongo } from "../../src/engines/mongo.js";
import type { Mongo } from "../../src/engines/mongo.js";
import { monitorEngines } from "../../src/engines/monitor.js";
import type { NatsConnection } from "../../src/engines/nats.js";
import { connectNats } from "../../src/engines/nats.js";
import { silentLogger } from "../../src/platform/logger.js";
import { spawnTs } from "../support/spawn-ts.js";
import { waitFor } from "../support/wait-for.js";

let folder: string;
let documents: ChildProcess;
let mongo: Mongo;
let natsServer: LocalServer;
let nats: NatsConnection;
/** Accepts, and never says a word. */
let silent: Server;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "fleetlog-monitor-"));
  documents = await spawnTs(new URL("../embedded/documents/server-process.ts", import.meta.url), [
    join(folder, "documents"),
  ]);
  const [url] = (await once(createInterface(documents.stdout as Readable), "line")) as [string];
  mongo = connectMongo(url, "monitor");
  natsServer = await startNats({ dataDir: join(folder, "nats"), logger: silentLogger });
  nats = await connectNats(natsServer.url, "monitor");
  silent = createServer((socket) => socket.on("error", () => {})).listen(0, "127.0.0.1");
  await once(silent, "listening");
});
afterAll(async () => {
  documents.kill("SIGCONT");
  documents.kill("SIGKILL");
  await mongo.close();
  await nats.close();
  await natsServer.stop();
  silent.close();
  await rm(folder, { recursive: true, force: true });
});

it("are said to be down, and up again when they answer; what waits for one fails before long", async () => {
  const { port } = silent.address() as AddressInfo;
  const monitor = monitorEngines(
    {
      eventstore: connectEventStore(`esdb://127.0.0.1:${port}?tls=false`),
      db: mongo.db,
      nats,
      influx: connectInflux({ url: `http://127.0.0.1:${port}`, org: "o", bucket: "b" }),
    },
    silentLogger,
  );
  const state = (name: string) => monitor.health().find((part) => part.name === name)?.state;
  await waitFor(() => state("mongodb") === "up" && state("nats") === "up");
  await mongo.db.collection("things").insertOne({ a: 1 });

  documents.kill("SIGSTOP");
  const waits = mongo.db.collection("things").findOne({});
  const failure = waits.then(
    () => "answered",
    () => "failed",
  );
  await waitFor(() => ["mongodb", "eventstore", "influxdb"].every((name) => state(name) === "down"), {
    deadlineMs: 15_000,
  });
  expect(state("nats")).toBe("up");
  expect(await Promise.race([failure, waitFor(() => false, { deadlineMs: 20_000, what: "the query" })])).toBe("failed");

  documents.kill("SIGCONT");
  await waitFor(() => state("mongodb") === "up");
  expect(await mongo.db.collection("things").findOne({})).toMatchObject({ a: 1 });
  await monitor.stop();
}, 90_000);
