/** A parent to be killed: starts what the test names, prints one JSON line when it runs, then lives until it is ended. */
import {
  lockDataDir,
  startInflux,
  startNats,
  startNodeProcess,
  superviseChild,
} from "../../../../src/embedded/processes/index.js";
import { silentLogger } from "../../../../src/platform/logger.js";

const [what, dataDir = ".", extra = ""] = process.argv.slice(2);
const logger = silentLogger;

async function start(): Promise<Record<string, unknown>> {
  switch (what) {
    case "nats": {
      const server = await startNats({ dataDir, logger });
      return { url: server.url, port: server.port, pid: server.pid() };
    }
    case "influx": {
      const server = await startInflux({ dataDir, logger });
      return { url: server.url, port: server.port, pid: server.pid() };
    }
    case "sleep": {
      const guard = extra === "shell" ? "shell" : "kernel";
      const child = await superviseChild({
        name: "sleep",
        command: "sleep",
        args: ["600"],
        logger,
        ready: () => true,
        guard,
      });
      return { pid: child.pid() };
    }
    case "node": {
      const child = await startNodeProcess({ name: "role", script: extra, logger, isReady: (m) => m === "ready" });
      return { pid: child.pid() };
    }
    case "lock":
      lockDataDir(dataDir);
      return { pid: process.pid };
    default:
      throw new Error(`cannot start ${String(what)}`);
  }
}

process.stdout.write(`${JSON.stringify(await start())}\n`);
setInterval(() => {}, 60_000);
