/**
 * `influxd` as a child of ours. What Debian and Ubuntu package is InfluxDB 1.6: line protocol and InfluxQL, no Flux;
 * the configuration below keeps to the keys of that version.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { FleetlogError, messageOf } from "../../platform/errors.js";
import { superviseChild } from "./child-process.js";
import { findOrInstall } from "./find-or-install.js";
import { choosePort } from "./free-port.js";
import { unhurried } from "./go-program.js";
import { endLeftBehind } from "./left-behind.js";
import { type LocalServer, onFreePort, type ServerOptions } from "./server-options.js";

const host = "127.0.0.1";

/** The database that every local server has. */
const influxDatabase = "fleetlog";

/** Throws FleetlogError UNAVAILABLE when the program is not to be had or does not start. */
export async function startInflux(options: ServerOptions): Promise<LocalServer> {
  const { logger, onProgress } = options;
  const command = await findOrInstall("influxd", { logger, onProgress });
  const dataDir = resolve(options.dataDir);
  await mkdir(dataDir, { recursive: true });
  const configPath = join(dataDir, "influxdb.conf");
  const pidFile = { path: join(dataDir, "influxd.pid"), marker: configPath };
  // Before its port is looked at, which it may hold.
  await endLeftBehind("influxd", pidFile, logger);

  return await onFreePort(
    () => choosePort(options.port, host),
    async (port) => {
      const url = `http://${host}:${port}`;
      await writeFile(configPath, configuration(dataDir, port));
      const child = await superviseChild({
        name: "influxd",
        ...unhurried("1GiB", command, ["-config", configPath]),
        logger,
        pidFile,
        // Replaying the write-ahead log of a large shard after a kill takes its time, and /ping waits for it.
        readyWithinMs: 300_000,
        ready: async () => (await fetch(`${url}/ping`, { signal: AbortSignal.timeout(5_000) })).status === 204,
      });
      try {
        await createDatabase(url);
      } catch (error) {
        await child.stop();
        throw new FleetlogError("UNAVAILABLE", `influxd could not create its database: ${messageOf(error)}.`);
      }
      return { ...child, url, port };
    },
  );
}

/** Says nothing and does nothing when it is there already. */
async function createDatabase(url: string): Promise<void> {
  const response = await fetch(`${url}/query`, {
    method: "POST",
    body: new URLSearchParams({ q: `CREATE DATABASE "${influxDatabase}"` }),
    signal: AbortSignal.timeout(30_000),
  });
  const text = await response.text();
  if (!response.ok || text.includes('"error"')) throw new Error(`${response.status} ${text.trim()}`);
}

function configuration(dataDir: string, port: number): string {
  const folder = (name: string): string => JSON.stringify(join(dataDir, name));
  return `# Written by fleetlog at each start; changes are overwritten.
reporting-disabled = true
# The port for backups, which we do not use and which cannot be switched off: any free one.
bind-address = "${host}:0"

[meta]
  dir = ${folder("meta")}
  logging-enabled = false

[data]
  dir = ${folder("data")}
  wal-dir = ${folder("wal")}
  # wal-fsync-delay stays 0: a write is answered only once it is on the disk, which is what lets the writer acknowledge.
  # An index on disk: series are bounded by the fleet, not by memory, so the limits below are off.
  index-version = "tsi1"
  max-series-per-database = 0
  max-values-per-tag = 0
  query-log-enabled = false
  # Writes beyond this, per shard, are refused (the writer tries them again) until a snapshot has made room.
  cache-max-memory-size = "1g"
  cache-snapshot-memory-size = "64m"
  max-concurrent-compactions = 1

[coordinator]
  write-timeout = "30s"
  query-timeout = "60s"
  max-concurrent-queries = 64

[retention]
  enabled = true
  check-interval = "30m"

[shard-precreation]
  enabled = true

[monitor]
  store-enabled = false

[subscriber]
  enabled = false

# Roll-ups are the platform's own work.
[continuous_queries]
  enabled = false

[http]
  enabled = true
  bind-address = "${host}:${port}"
  auth-enabled = false
  log-enabled = false
  write-tracing = false
  pprof-enabled = false
  # Larger write requests are refused with 413.
  max-body-size = 67108864
  max-row-limit = 0

[logging]
  level = "warn"
  suppress-logo = true
`;
}
