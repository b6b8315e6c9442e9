/** The same HTTP server behind TLS: requests and upgrades are handed to it, so that there is one set of routes and one stop. */
import type { Server as HttpServer } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { TLSSocket } from "node:tls";
import type { Running } from "../platform/lifecycle.js";
import { answerClientError } from "./http-errors.js";

/** What src/tls gives. */
export interface TlsCertificate {
  /** PEM. */
  readonly current: { readonly cert: string; readonly key: string };
  onChange(listener: (pair: { readonly cert: string; readonly key: string }) => void): () => void;
}

export interface TlsListener extends Running {
  readonly port: number;
}

export interface TlsListenerOptions {
  readonly port: number;
  readonly host: string;
  readonly certificate: TlsCertificate;
  readonly maxConnections: number;
}

/** From the TCP connection to the end of the handshake. */
const HANDSHAKE_TIMEOUT_MS = 10_000;
/** What `stop` waits for answers that are under way. */
const STOP_WITHIN_MS = 10_000;
const CLOSE_IDLE_MS = 100;

/** A renewed certificate holds for who connects next. Rejects with the system's error for a taken port. */
export async function listenWithTls(target: HttpServer, options: TlsListenerOptions): Promise<TlsListener> {
  const { port, host, certificate, maxConnections } = options;
  const server = createServer({ ...certificate.current, handshakeTimeout: HANDSHAKE_TIMEOUT_MS });
  server.requestTimeout = target.requestTimeout;
  server.headersTimeout = target.headersTimeout;
  server.keepAliveTimeout = target.keepAliveTimeout;
  server.maxConnections = maxConnections;
  const sockets = new Set<TLSSocket>();
  server.on("secureConnection", (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  server.on("request", (request, response) => target.emit("request", request, response));
  server.on("upgrade", (request, socket, head) => target.emit("upgrade", request, socket, head));
  server.on("clientError", answerClientError);
  // A stranger's failed handshake is nobody's concern; without a listener its socket would stay.
  server.on("tlsClientError", (_error, socket) => socket.destroy());
  const unsubscribe = certificate.onChange((pair) => server.setSecureContext(pair));
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ port, host }, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    async stop() {
      unsubscribe();
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      // Again and again: a connection whose answer is under way is idle only later.
      const idle = setInterval(() => server.closeIdleConnections(), CLOSE_IDLE_MS);
      const late = setTimeout(() => {
        for (const socket of sockets) socket.destroy();
      }, STOP_WITHIN_MS);
      await closed;
      clearInterval(idle);
      clearTimeout(late);
    },
  };
}
