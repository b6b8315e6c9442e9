/** Mosquitto as Debian packages it, on a port and with a file of its own: a broker that can be killed and started again. */
import { execFile, spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { waitFor } from "./wait-for.js";

const run = promisify(execFile);

export interface Mosquitto {
  readonly port: number;
  readonly url: string;
  /** `mqtts://localhost:…`: refuses who does not ask for TLS, and is not there at all without `tls`. */
  readonly tlsUrl: string;
  readonly wsUrl: string;
  pid(): number;
  start(): Promise<void>;
  kill(signal: "SIGKILL" | "SIGTERM"): Promise<void>;
  /** Has it write what it holds to its file. */
  save(): Promise<void>;
  dispose(): Promise<void>;
}

export interface MosquittoOptions {
  /** Who may log in; without, everybody. */
  readonly user?: { readonly name: string; readonly password: string };
  /** PEM files of a door with TLS beside the plain one. */
  readonly tls?: { readonly certificate: string; readonly key: string };
}

/** `path`: of the program, as `needPackage` gives it. */
export async function startMosquitto(path: string, options: MosquittoOptions = {}): Promise<Mosquitto> {
  const { user, tls } = options;
  const dir = await mkdtemp(join(tmpdir(), "fleetlog-mosquitto-"));
  const [port, tlsPort, wsPort] = [await freePort(), await freePort(), await freePort()];
  const passwords = join(dir, "passwords");
  if (user !== undefined) {
    await run(path.replace(/s?bin\/mosquitto$/u, "bin/mosquitto_passwd"), [
      "-b",
      "-c",
      passwords,
      user.name,
      user.password,
    ]);
  }
  const config = join(dir, "mosquitto.conf");
  const lines = [
    `listener ${port} 127.0.0.1`,
    ...(tls === undefined
      ? []
      : [`listener ${tlsPort} 127.0.0.1`, `certfile ${tls.certificate}`, `keyfile ${tls.key}`]),
    `listener ${wsPort} 127.0.0.1`,
    "protocol websockets",
    ...(user === undefined ? ["allow_anonymous true"] : ["allow_anonymous false", `password_file ${passwords}`]),
    "persistence true",
    `persistence_location ${dir}/`,
    "autosave_interval 0",
    "max_queued_messages 0",
    // As root it would become a user who cannot write here.
    "user root",
  ];
  await writeFile(config, `${lines.join("\n")}\n`);
  let child: ChildProcess | undefined;
  const broker: Mosquitto = {
    port,
    url: `mqtt://127.0.0.1:${port}`,
    tlsUrl: `mqtts://localhost:${tlsPort}`,
    wsUrl: `ws://127.0.0.1:${wsPort}`,
    pid: () => child?.pid ?? Number.NaN,
    async start() {
      child = spawn(path, ["-c", config], { stdio: "ignore" });
      await waitFor(() => listens(port), { what: "mosquitto to listen" });
    },
    async kill(signal) {
      if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, "exit");
      child.kill(signal);
      await gone;
    },
    async save() {
      const file = join(dir, "mosquitto.db");
      const before = await changedAt(file);
      child?.kill("SIGUSR1");
      await waitFor(async () => (await changedAt(file)) > before, { what: "mosquitto to save" });
    },
    async dispose() {
      await broker.kill("SIGKILL");
      await rm(dir, { recursive: true, force: true });
    },
  };
  await broker.start();
  return broker;
}

async function changedAt(file: string): Promise<number> {
  return stat(file).then(
    ({ mtimeMs }) => mtimeMs,
    () => 0,
  );
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
