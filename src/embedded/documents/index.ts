/**
 * The embedded document store: a server that speaks MongoDB's wire protocol on a local file, so that the platform runs on
 * one machine with the official driver and nothing else installed. README.md says what it supports.
 */
import { once } from "node:events";
import { mkdir } from "node:fs/promises";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import type { Logger } from "../../platform/logger.js";
import type { Running } from "../../platform/lifecycle.js";
import { Cursors } from "./commands/cursors.js";
import { serveConnection } from "./protocol/connection.js";
import type { Connection } from "./protocol/connection.js";
import { removeExpired } from "./storage/expiry.js";
import { Store } from "./storage/store.js";

export interface DocumentStoreOptions {
  /** A directory of its own; made when it is not there. */
  readonly path: string;
  /** 0, the default: any that is free. */
  readonly port?: number;
  /** Default 127.0.0.1: there is no authentication. */
  readonly host?: string;
  readonly logger: Logger;
  /** The bound of the file, bytes. Address space only; default 64 GiB. */
  readonly mapSizeBytes?: number;
}

export interface DocumentStore extends Running {
  /** `mongodb://HOST:PORT/?directConnection=true` */
  readonly url: string;
  readonly port: number;
}

/** How often TTL indexes and idle cursors are looked after, as on the real server. */
const sweepMs = 60_000;

/** Resolves when connections are accepted. Rejects when the port is taken or the files are not readable. */
export async function startDocumentStore(options: DocumentStoreOptions): Promise<DocumentStore> {
  const { path, port = 0, host = "127.0.0.1", logger, mapSizeBytes = 64 * 1024 ** 3 } = options;
  await mkdir(path, { recursive: true });
  const store = Store.open({ path, mapSizeBytes });
  const cursors = new Cursors();
  const connections = new Set<Connection>();
  let lastConnectionId = 0;
  const server = createServer((socket) => {
    lastConnectionId += 1;
    const connection = serveConnection(socket, { store, cursors, logger, connectionId: lastConnectionId });
    connections.add(connection);
    socket.once("close", () => connections.delete(connection));
  });
  try {
    server.listen(port, host);
    await once(server, "listening");
  } catch (error) {
    await store.close();
    throw error;
  }
  let sweeping: Promise<unknown> = Promise.resolve();
  const sweep = setInterval(() => {
    cursors.closeIdle(Date.now());
    sweeping = removeExpired(store, new Date()).catch((error: unknown) => {
      logger.error({ err: error }, "documents that have expired could not be removed; the next try is in a minute");
    });
  }, sweepMs);
  sweep.unref();
  const address = server.address() as AddressInfo;
  logger.info({ path, host, port: address.port }, "document store is up");

  let stopping: Promise<void> | undefined;
  const stop = async (): Promise<void> => {
    clearInterval(sweep);
    const closed = once(server, "close");
    server.close();
    await Promise.all([...connections].map((connection) => connection.close()));
    await closed;
    await sweeping;
    await store.close();
  };
  return {
    url: `mongodb://${host}:${address.port}/?directConnection=true`,
    port: address.port,
    stop() {
      stopping ??= stop();
      return stopping;
    },
  };
}
