import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createSocket } from "node:dgram";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "nats";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  choosePort,
  findOrInstall,
  identityOf,
  type LocalServer,
  startInflux,
  startNats,
} from "../../../src/embedded/processes/index.js";
import { silentLogger as logger } from "../../../src/platform/logger.js";
import { waitFor } from "../../support/wait-for.js";
import { startParent } from "./parent.js";

let dataDir: string;
const running: LocalServer[] = [];

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "fleetlog-servers-"));
});

afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.stop()));
  await rm(dataDir, { recursive: true, force: true });
});

async function kept(starting: Promise<LocalServer>): Promise<LocalServer> {
  const server = await starting;
  running.push(server);
  return server;
}

async function killAndAwaitReturn(server: LocalServer): Promise<void> {
  const first = server.pid();
  if (first === undefined) throw new Error("the server does not run");
  process.kill(first, "SIGKILL");
  await waitFor(() => server.pid() !== undefined && server.pid() !== first && server.health()[0]?.state === "up", {
    what: "the server's return",
  });
}

async function query(url: string, q: string): Promise<string> {
  const response = await fetch(`${url}/query?db=fleetlog`, { method: "POST", body: new URLSearchParams({ q }) });
  return await response.text();
}

describe("nats-server", () => {
  it("is back on its port after a kill -9, with every acknowledged message", async () => {
    const server = await kept(startNats({ dataDir, logger }));
    const nc = await connect({ servers: server.url, maxReconnectAttempts: -1, reconnectTimeWait: 50 });
    try {
      const manager = await nc.jetstreamManager({ timeout: 1_000 });
      await manager.streams.add({ name: "S", subjects: ["s"] });
      await Promise.all(Array.from({ length: 500 }, (_, n) => nc.jetstream().publish("s", String(n))));

      await killAndAwaitReturn(server);

      const state = await waitFor(async () => {
        try {
          return (await manager.streams.info("S")).state;
        } catch {
          return undefined; // not reconnected yet
        }
      });
      expect(state.messages).toBe(500);
    } finally {
      await nc.close();
    }
  });

  it("moves when its port is taken", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    try {
      const { port: taken } = other.address() as AddressInfo;
      const server = await kept(startNats({ dataDir, logger, port: taken }));
      expect(server.port).not.toBe(taken);
      const nc = await connect({ servers: server.url });
      await nc.close();
    } finally {
      other.close();
    }
  });

  it("ends when its parent is killed", async () => {
    const parent = await startParent("nats", dataDir);
    expect(identityOf(parent.said.pid)?.commandLine).toContain(dataDir);
    await parent.kill("SIGKILL");
    await waitFor(() => identityOf(parent.said.pid) === undefined, { what: "the server's end" });
  });

  it("ends the server that an earlier run left behind on the same data, and no other process", async () => {
    const configPath = join(dataDir, "nats-server.conf");
    await writeFile(configPath, `listen: "127.0.0.1:-1"\njetstream { store_dir: ${JSON.stringify(dataDir)} }\n`);
    const command = await findOrInstall("nats-server", { logger });
    const left = spawn(command, ["-c", configPath], { stdio: "ignore" });
    const pid = left.pid ?? 0;
    await writeFile(join(dataDir, "nats-server.pid"), JSON.stringify(identityOf(pid)));
    const leftEnd = once(left, "exit");
    await kept(startNats({ dataDir, logger }));
    const [, signal] = (await leftEnd) as [number | null, string | null];
    expect(signal).toBe("SIGKILL");

    const elsewhere = join(dataDir, "elsewhere");
    await mkdir(elsewhere);
    // The pid of the file is somebody else's by now: this very test's.
    const recycled = { pid: process.pid, startedAt: "long ago" };
    await writeFile(join(elsewhere, "nats-server.pid"), JSON.stringify(recycled));
    await kept(startNats({ dataDir: elsewhere, logger }));
  });
});

describe("influxd", () => {
  it("is back on its port after a kill -9, with every acknowledged point", async () => {
    const server = await kept(startInflux({ dataDir, logger }));
    const lines = Array.from({ length: 1_000 }, (_, n) => `m,d=a v=${n} ${n + 1}`).join("\n");
    const written = await fetch(`${server.url}/write?db=fleetlog`, { method: "POST", body: lines });
    expect(written.status).toBe(204);

    await killAndAwaitReturn(server);

    expect(await query(server.url, "SELECT count(v) FROM m")).toContain("1000]");
  });

  it("finds its data again when it is stopped and started", async () => {
    const first = await startInflux({ dataDir, logger });
    await fetch(`${first.url}/write?db=fleetlog`, { method: "POST", body: "m v=1 1" });
    await first.stop();
    const second = await kept(startInflux({ dataDir, logger }));
    expect(await query(second.url, "SELECT count(v) FROM m")).toContain("1]");
  });

  it("ends when its parent is killed", async () => {
    const parent = await startParent("influx", dataDir);
    expect(identityOf(parent.said.pid)?.commandLine).toContain(dataDir);
    await parent.kill("SIGKILL");
    await waitFor(() => identityOf(parent.said.pid) === undefined, { what: "the server's end" });
  });
});

describe("finding the servers", () => {
  it("gives the path of one that is there", async () => {
    const path = await findOrInstall("influxd", { logger });
    expect(execFileSync(path, ["version"], { encoding: "utf8" })).toContain("InfluxDB");
  });
});

describe("choosing a port", () => {
  it("keeps a free one and moves a taken one", async () => {
    const free = await choosePort(undefined);
    expect(await choosePort(free)).toBe(free);
    const other = createServer().listen(free, "127.0.0.1");
    await once(other, "listening");
    try {
      expect(await choosePort(free)).not.toBe(free);
    } finally {
      other.close();
    }
  });

  it("the same for UDP, whose ports are others", async () => {
    const socket = createSocket("udp4").bind(0, "127.0.0.1");
    await once(socket, "listening");
    const { port } = socket.address();
    try {
      expect(await choosePort(port, "127.0.0.1", "udp")).not.toBe(port);
    } finally {
      socket.close();
    }
    await once(socket, "close");
    expect(await choosePort(port, "127.0.0.1", "udp")).toBe(port);
  });
});
