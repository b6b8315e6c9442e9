/** A platform for one bench: a data directory of its own, everything in its own processes, nothing left behind. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readConfig } from "../../src/config.js";
import { createGraphqlClient } from "../../src/demo/graphql-client.js";
import type { GraphqlClient } from "../../src/demo/graphql-client.js";
import { connectInflux } from "../../src/engines/influx.js";
import { createTelemetryQueries } from "../../src/ingest/index.js";
import type { TelemetryQueries } from "../../src/ingest/index.js";
import { Lifecycle } from "../../src/platform/lifecycle.js";
import type { Running } from "../../src/platform/lifecycle.js";
import { createLogger } from "../../src/platform/logger.js";
import { issueToken } from "../../src/rest/tokens.js";
import { startPlatform } from "../../src/supervisor/index.js";
import type { Platform } from "../../src/supervisor/index.js";
import type { Say } from "./bench.js";

export interface BenchPlatform extends Running {
  readonly platform: Platform;
  readonly httpUrl: string;
  readonly mqttPort: number;
  readonly tenant: string;
  readonly token: string;
  /** Of an administrator of the tenant. */
  readonly api: GraphqlClient;
  /** Of an administrator of the platform. */
  readonly ops: GraphqlClient;
  readonly telemetry: TelemetryQueries;
  /** What is added is stopped before the platform is. */
  readonly lifecycle: Lifecycle;
}

const TOKEN_SECONDS = 3_600;
const TENANT = "bench";

export interface BenchPlatformOptions {
  /** HTTP connections of the tenant's client. */
  readonly connections?: number;
  /** Settings of this bench. */
  readonly environment?: Readonly<Record<string, string>>;
}

export async function startBenchPlatform(say: Say, options: BenchPlatformOptions = {}): Promise<BenchPlatform> {
  const logger = createLogger({ level: "error", name: "bench" });
  const lifecycle = new Lifecycle(logger);
  const dataDir = await mkdtemp(join(tmpdir(), "fleetlog-bench-"));
  lifecycle.add("files", { stop: () => rm(dataDir, { recursive: true, force: true }) });
  // Everything local, whatever is configured: what is measured is this machine.
  const environment = {
    ...Object.fromEntries(Object.entries(process.env).filter(([key]) => !/^(FLEETLOG|INFLUX)_|_URL$/u.test(key))),
    FLEETLOG_DATA_DIR: dataDir,
    FLEETLOG_HOST: "127.0.0.1",
    // Any free ones: another platform may be about to take the usual ones.
    ...Object.fromEntries(
      ["HTTP", "MQTT", "EVENTSTORE", "DOCUMENTS", "NATS", "INFLUX"].map((door) => [`FLEETLOG_${door}_PORT`, "0"]),
    ),
    FLEETLOG_LOG_LEVEL: "error",
    ...options.environment,
  };
  try {
    const config = readConfig(environment);
    const platform = await startPlatform({ config, environment, logger, onProgress: (step) => say(`· ${step}`) });
    lifecycle.add("platform", platform);
    const { httpUrl, mqttUrl, influxUrl, tokenSecret } = platform;
    if (httpUrl === undefined || mqttUrl === undefined) throw new Error("the platform opened no doors");
    const client = async (tenant: string, connections: number): Promise<{ api: GraphqlClient; token: string }> => {
      const token = await issueToken(tokenSecret, { subject: "bench", tenant, role: "ADMIN" }, TOKEN_SECONDS);
      const api = createGraphqlClient({ httpUrl, token, connections });
      lifecycle.add("GraphQL client", { stop: async () => api.close() });
      return { api, token };
    };
    const { api: ops } = await client("*", 2);
    await ops.ask(`mutation ($input: CreateTenantInput!) { createTenant(input: $input) { shown } }`, {
      input: { tenantId: TENANT, name: "Bench" },
    });
    const influx = connectInflux({ url: influxUrl, org: config.INFLUX_ORG, bucket: config.INFLUX_BUCKET });
    return {
      platform,
      httpUrl,
      mqttPort: Number(new URL(mqttUrl).port),
      tenant: TENANT,
      ...(await client(TENANT, options.connections ?? 32)),
      ops,
      telemetry: createTelemetryQueries(influx),
      lifecycle,
      stop: () => lifecycle.stop(),
    };
  } catch (error) {
    await lifecycle.stop();
    throw error;
  }
}
