/** `nats-server` with JetStream on local files, as a child of ours. */
import { mkdir, writeFile } from "node:fs/promises";
import { createConnection } from "node:net";
import { join, resolve } from "node:path";
import { superviseChild } from "./child-process.js";
import { findOrInstall } from "./find-or-install.js";
import { choosePort } from "./free-port.js";
import { unhurried } from "./go-program.js";
import { endLeftBehind } from "./left-behind.js";
import { watchJetStream } from "./jetstream-watch.js";
import { type LocalServer, onFreePort, type ServerOptions } from "./server-options.js";

export interface NatsOptions extends ServerOptions {
  /** What JetStream may fill of the disk, bytes; a stream that would pass it refuses messages. 32 GiB when not given. */
  readonly maxFileStoreBytes?: number;
}

const host = "127.0.0.1";

/** Throws FleetlogError UNAVAILABLE when the program is not to be had or does not start. */
export async function startNats(options: NatsOptions): Promise<LocalServer> {
  const { logger, onProgress } = options;
  const command = await findOrInstall("nats-server", { logger, onProgress });
  const dataDir = resolve(options.dataDir);
  await mkdir(dataDir, { recursive: true });
  const configPath = join(dataDir, "nats-server.conf");
  const pidFile = { path: join(dataDir, "nats-server.pid"), marker: configPath };
  // Before its port is looked at, which it may hold.
  await endLeftBehind("nats-server", pidFile, logger);

  return await onFreePort(
    () => choosePort(options.port, host),
    async (port) => {
      const serverName = `fleetlog-${process.pid}-${port}`;
      await writeFile(configPath, configuration({ ...options, dataDir, port, serverName }));
      const child = await superviseChild({
        name: "nats-server",
        ...unhurried("256MiB", command, ["-c", configPath]),
        logger,
        pidFile,
        ready: async () => (await greeting(port)).includes(`"server_name":"${serverName}"`),
      });
      const restart = (): void => {
        const pid = child.pid();
        if (pid !== undefined) process.kill(pid, "SIGKILL");
      };
      const watch = watchJetStream({ port, dataDir, logger, restart });
      return {
        ...child,
        url: `nats://${host}:${port}`,
        port,
        async stop() {
          await watch.stop();
          await child.stop();
        },
      };
    },
  );
}

function configuration(given: NatsOptions & { readonly port: number; readonly serverName: string }): string {
  const { dataDir, port, serverName, maxFileStoreBytes = 32 * 1024 ** 3 } = given;
  return `# Written by fleetlog at each start; changes are overwritten.
listen: "${host}:${port}"
server_name: "${serverName}"
max_payload: 8MB
# A consumer may be this far behind in one go before the server cuts it off.
max_pending: 256MB
write_deadline: "10s"
jetstream {
  store_dir: ${JSON.stringify(join(dataDir, "jetstream"))}
  max_file_store: ${maxFileStoreBytes}
  # No sync_interval: the packaged 2.9 refuses the key (it came with 2.10) and syncs every 2 minutes. An acknowledged
  # message is in the kernel's page cache: it survives the death of any process, but not a power cut within that time.
}
`;
}

/** The INFO line that a NATS server sends first. By its server_name a server of somebody else is told from ours. */
function greeting(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ host, port });
    socket.setTimeout(2_000, () => socket.destroy(new Error("the server does not greet")));
    socket.once("error", reject);
    let text = "";
    socket.on("data", (chunk) => {
      text += chunk.toString("utf8");
      if (!text.includes("\n")) return;
      resolve(text);
      socket.destroy();
    });
    socket.once("close", () => reject(new Error("the server closed the connection without a greeting")));
  });
}
