/** The baseline of everything that comes in over MQTT: a broker that acknowledges and stores nothing. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { choosePort } from "../../src/embedded/processes/index.js";
import type { Running } from "../../src/platform/lifecycle.js";

export interface BareBroker extends Running {
  readonly name: string;
  readonly port: number;
  /** As `countCpu` takes them. */
  pids(): ReadonlyMap<string, number>;
}

/** Mosquitto where it is installed, else our own answering machine, which is less than a broker and says so in its name. */
export async function startBareBroker(): Promise<BareBroker> {
  const program = ["mosquitto", "/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto"].find(isProgram);
  return program === undefined ? startAnsweringMachine() : startMosquitto(program);
}

function isProgram(program: string): boolean {
  try {
    execFileSync(program, ["-h"], { stdio: "ignore" });
    return true;
  } catch (error) {
    // Its help ends with code 3; only a program that is not there has a code of the system's.
    return (error as NodeJS.ErrnoException).code === undefined;
  }
}

async function startMosquitto(program: string): Promise<BareBroker> {
  const folder = await mkdtemp(join(tmpdir(), "fleetlog-mosquitto-"));
  const port = await choosePort(0);
  const config = join(folder, "mosquitto.conf");
  await writeFile(
    config,
    [
      `listener ${port} 127.0.0.1`,
      "allow_anonymous true",
      "persistence false",
      "max_inflight_messages 0",
      "log_type none",
      "log_dest none",
      // Started as root it would look for a user of that name.
      ...(process.getuid?.() === 0 ? ["user root"] : []),
      "",
    ].join("\n"),
  );
  const child = spawn(program, ["-c", config], { stdio: "ignore" });
  await untilOpen(port);
  return {
    name: "mosquitto, nothing stored, no subscriber",
    port,
    pids: () => new Map(child.pid === undefined ? [] : [["broker", child.pid]]),
    async stop() {
      if (child.exitCode === null && child.kill("SIGTERM")) await once(child, "exit");
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function untilOpen(port: number): Promise<void> {
  for (let tries = 0; tries < 200; tries += 1) {
    const socket = connect(port, "127.0.0.1");
    try {
      await once(socket, "connect");
      return;
    } catch {
      // Not yet.
    } finally {
      socket.destroy();
    }
    await sleep(25);
  }
  throw new Error(`mosquitto did not open port ${port} within 5 s`);
}

/** Answers CONNECT and each PUBLISH, looks at nothing. */
async function startAnsweringMachine(): Promise<BareBroker> {
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => {});
    let rest: Buffer = Buffer.alloc(0);
    socket.on("data", (chunk: Buffer) => {
      const { answers, left } = answer(rest.length === 0 ? chunk : Buffer.concat([rest, chunk]));
      rest = left;
      if (answers.length > 0) socket.write(Buffer.concat(answers));
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return {
    name: "a socket that answers PUBACK and does nothing else, in the bench's own process (mosquitto is not installed)",
    port: typeof address === "object" && address !== null ? address.port : 0,
    pids: () => new Map([["bench", process.pid]]),
    async stop() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

function answer(bytes: Buffer): { readonly answers: Buffer[]; readonly left: Buffer } {
  const answers: Buffer[] = [];
  let at = 0;
  for (;;) {
    let length = 0;
    let header = 1;
    for (let shift = 0; ; shift += 7, header += 1) {
      const byte = bytes[at + header];
      if (byte === undefined) return { answers, left: bytes.subarray(at) };
      length |= (byte & 0x7f) << shift;
      if ((byte & 0x80) === 0) break;
    }
    const body = at + header + 1;
    if (bytes.length < body + length) return { answers, left: bytes.subarray(at) };
    const type = (bytes[at] ?? 0) >> 4;
    if (type === 1) answers.push(Buffer.from([0x20, 2, 0, 0]));
    if (type === 3) {
      const id = body + 2 + bytes.readUInt16BE(body);
      answers.push(Buffer.from([0x40, 2, bytes[id] ?? 0, bytes[id + 1] ?? 0]));
    }
    at = body + length;
  }
}
