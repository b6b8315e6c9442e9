/**
 * The baseline of the whole path: the same engines, put together as one does at first, in as many processes (see
 * naive-process.ts). No validation, no rules, no relay, no limits, nobody's password looked at.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { AckPolicy, StorageType } from "nats";
import { startInflux, startNats } from "../../src/embedded/processes/index.js";
import { connectNats } from "../../src/engines/nats.js";
import { Lifecycle } from "../../src/platform/lifecycle.js";
import type { Running } from "../../src/platform/lifecycle.js";
import { createLogger } from "../../src/platform/logger.js";
import { BATCH, CONSUMER, STREAM } from "./naive-process.js";
import type { Ready, Task } from "./naive-process.js";

export interface NaivePath extends Running {
  readonly name: string;
  readonly port: number;
  /** Its processes by the part that each plays, as `countCpu` takes them. */
  pids(): ReadonlyMap<string, number>;
}

export async function startNaivePath(): Promise<NaivePath> {
  const logger = createLogger({ level: "error", name: "naive path" });
  const lifecycle = new Lifecycle(logger);
  const dataDir = await mkdtemp(join(tmpdir(), "fleetlog-naive-"));
  lifecycle.add("files", { stop: () => rm(dataDir, { recursive: true, force: true }) });
  try {
    const influx = lifecycle.add("InfluxDB", await startInflux({ dataDir: join(dataDir, "influx"), logger }));
    const nats = lifecycle.add("NATS", await startNats({ dataDir: join(dataDir, "nats"), logger }));
    await createStream(nats.url);
    const start = async (role: Task["role"]): Promise<Started> =>
      lifecycle.add(role, await startProcess({ role, natsUrl: nats.url, influxUrl: influx.url }));
    const writer = await start("writer");
    const door = await start("door");
    return {
      name: "the naive path: mqtt-packet, JSON.parse, a publish to JetStream for each message, a line of it, InfluxDB",
      port: door.port,
      pids: () =>
        new Map(
          Object.entries({ door: door.pid, writer: writer.pid, nats: nats.pid(), influx: influx.pid() }).flatMap(
            ([name, pid]) => (pid === undefined ? [] : [[name, pid] as const]),
          ),
        ),
      stop: () => lifecycle.stop(),
    };
  } catch (error) {
    await lifecycle.stop();
    throw error;
  }
}

async function createStream(natsUrl: string): Promise<void> {
  const nc = await connectNats(natsUrl, "naive");
  const manager = await nc.jetstreamManager();
  // Its messages stay: to take each out of the stream, which a work queue does, made the whole less than half as fast.
  await manager.streams.add({ name: STREAM, subjects: ["naive.>"], storage: StorageType.File });
  await manager.consumers.add(STREAM, {
    durable_name: CONSUMER,
    ack_policy: AckPolicy.Explicit,
    max_ack_pending: 4 * BATCH,
  });
  await nc.close();
}

type Started = Running & Ready & { readonly pid: number | undefined };

async function startProcess(task: Task): Promise<Started> {
  const script = fileURLToPath(new URL("naive-process.js", import.meta.url));
  const child = fork(script, { execArgv: ["--max-semi-space-size=64"] });
  const exited = once(child, "exit");
  child.send(task);
  const answer = await Promise.race([once(child, "message"), exited.then(() => undefined)]);
  if (answer === undefined) throw new Error(`the naive path's ${task.role} ended before it was ready`);
  return {
    ...(answer[0] as Ready),
    pid: child.pid,
    async stop() {
      if (child.connected) child.disconnect();
      await exited;
    },
  };
}
