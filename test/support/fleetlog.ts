import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { newId } from "../../src/platform/ids.js";
import { issueToken } from "../../src/rest/index.js";
import { waitFor } from "./wait-for.js";

const root = resolve(fileURLToPath(import.meta.url), "../../..");
const main = join(root, "dist", "src", "main.js");

/** The processes that a platform runs, by the names of their pid files. */
export type ProcessName =
  | "engines"
  | "writer"
  | "processor"
  | "projector"
  | "api"
  | "gateway"
  | "nats-server"
  | "influxd";

export interface Fleetlog {
  readonly httpUrl: string;
  readonly httpsUrl: string;
  readonly mqttUrl: string;
  readonly mqttsUrl: string;
  readonly coapUrl: string;
  readonly coapsUrl: string;
  readonly natsUrl: string;
  readonly dataDir: string;
  readonly process: ChildProcess;
  /** What it has logged so far, parsed. */
  readonly log: readonly Readonly<Record<string, unknown>>[];
  pid(name: ProcessName): number | undefined;
  token(tenant: string, role?: "ADMIN" | "OPERATOR" | "VIEWER" | "AUDITOR"): Promise<string>;
  /** Throws with the answer when it has errors. */
  graphql<T>(token: string, query: string, variables?: Readonly<Record<string, unknown>>): Promise<T>;
  /** SIGTERM; gives the exit code. */
  stop(): Promise<number | null>;
  /** Ends it however it can, and removes its data. */
  dispose(): Promise<void>;
}

export interface FleetlogOptions {
  /** Started again on what an earlier one left. */
  readonly dataDir?: string;
  readonly environment?: Readonly<Record<string, string>>;
}

/** The whole platform as `npm start` runs it: the built program, its processes, real engines, free ports. */
export async function startFleetlog(options: FleetlogOptions = {}): Promise<Fleetlog> {
  if (!existsSync(main)) throw new Error("dist/ is not built: these tests run the program as `npm test` builds it");
  const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), "fleetlog-system-")));
  const child = spawn(process.execPath, [main], {
    env: {
      ...process.env,
      FLEETLOG_DATA_DIR: dataDir,
      FLEETLOG_HOST: "127.0.0.1",
      FLEETLOG_HTTP_PORT: "0",
      FLEETLOG_HTTPS_PORT: "0",
      FLEETLOG_MQTT_PORT: "0",
      FLEETLOG_MQTTS_PORT: "0",
      FLEETLOG_COAP_PORT: "0",
      FLEETLOG_COAPS_PORT: "0",
      FLEETLOG_NATS_PORT: "0",
      FLEETLOG_INFLUX_PORT: "0",
      FLEETLOG_EVENTSTORE_PORT: "0",
      FLEETLOG_DOCUMENTS_PORT: "0",
      ...options.environment,
    },
    stdio: ["ignore", "ignore", "pipe"],
  });
  const log: Readonly<Record<string, unknown>>[] = [];
  let rest = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines)
      log.push(line.startsWith("{") ? (JSON.parse(line) as Readonly<Record<string, unknown>>) : { msg: line });
  });
  const up = await waitFor(
    () => {
      if (child.exitCode !== null)
        throw new Error(
          `fleetlog ended with ${child.exitCode}:\n${log.map((line) => JSON.stringify(line)).join("\n")}`,
        );
      return log.find(({ msg }) => msg === "Fleetlog is up");
    },
    { what: "Fleetlog to be up", deadlineMs: 100_000 },
  );

  const secret = readFileSync(join(dataDir, "token-secret"), "utf8").trim();
  const httpUrl = String(up["httpUrl"]);
  return {
    httpUrl,
    mqttUrl: String(up["mqttUrl"]),
    mqttsUrl: String(up["mqttsUrl"]),
    coapUrl: String(up["coapUrl"]),
    coapsUrl: String(up["coapsUrl"]),
    httpsUrl: String(up["httpsUrl"]),
    natsUrl: String(up["natsUrl"]),
    dataDir,
    process: child,
    log,
    pid(name) {
      const path =
        name === "nats-server"
          ? ["nats", "nats-server.pid"]
          : name === "influxd"
            ? ["influx", "influxd.pid"]
            : ["run", `${name}.pid`];
      const text = existsSync(join(dataDir, ...path)) ? readFileSync(join(dataDir, ...path), "utf8") : "";
      const pid = /\d+/.exec(text)?.[0];
      return pid === undefined ? undefined : Number(pid);
    },
    token: (tenant, role = "ADMIN") => issueToken(secret, { subject: "tester", tenant, role }, 3600),
    async graphql<T>(token: string, query: string, variables = {}): Promise<T> {
      const response = await fetch(`${httpUrl}/graphql`, {
        method: "POST",
        headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
        body: JSON.stringify({ query, variables }),
      });
      const answer = (await response.json()) as { readonly data?: T; readonly errors?: readonly unknown[] };
      if (answer.errors !== undefined || answer.data === undefined || answer.data === null)
        throw new Error(JSON.stringify(answer));
      return answer.data;
    },
    async stop() {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill("SIGTERM");
        await once(child, "exit");
      }
      return child.exitCode;
    },
    async dispose() {
      if (child.exitCode === null && child.signalCode === null) {
        const gone = once(child, "exit");
        child.kill("SIGTERM");
        const timer = setTimeout(() => child.kill("SIGKILL"), 30_000);
        await gone;
        clearTimeout(timer);
      }
      if (options.dataDir === undefined)
        await rm(dataDir, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
    },
  };
}

/** A tenant with devices that may speak: what every test of the whole begins with. */
export interface Fleet {
  readonly tenant: string;
  readonly admin: string;
  readonly devices: readonly { readonly deviceId: string; readonly key: string }[];
}

export async function createFleet(fleetlog: Fleetlog, count: number, tenant = `t-${newId()}`): Promise<Fleet> {
  const platform = await fleetlog.token("*");
  await fleetlog.graphql(
    platform,
    `mutation($id: ID!, $name: String!) { createTenant(input: {tenantId: $id, name: $name}) { shown } }`,
    {
      id: tenant,
      name: tenant,
    },
  );
  const admin = await fleetlog.token(tenant);
  const devices = [];
  for (let n = 0; n < count; n += 1) {
    const deviceId = `device-${n}`;
    await fleetlog.graphql(
      admin,
      `mutation($id: ID!) { registerDevice(input: {deviceId: $id, deviceType: "press"}) { shown } activateDevice(input: {deviceId: $id}) { shown } }`,
      { id: deviceId },
    );
    const { issueCredential } = await fleetlog.graphql<{ readonly issueCredential: { readonly apiKey: string } }>(
      admin,
      `mutation($id: ID!) { issueCredential(input: {deviceId: $id}) { apiKey } }`,
      { id: deviceId },
    );
    devices.push({ deviceId, key: issueCredential.apiKey });
  }
  return { tenant, admin, devices };
}
