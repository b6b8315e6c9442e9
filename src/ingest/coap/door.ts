/** The CoAP doors: one server behind a UDP socket and, with a certificate, behind DTLS. 2.04 means stored. */
import { createSocket } from "node:dgram";
import type { Socket } from "node:dgram";
import { isIPv6 } from "node:net";
import { FleetlogError, messageOf } from "../../platform/errors.js";
import type { HasHealth, PartHealth, Running } from "../../platform/lifecycle.js";
import type { Logger } from "../../platform/logger.js";
import type { Ingest } from "../ingest.js";
import type { Registry } from "../registry/registry.js";
import type { ServerCertificate } from "../../tls/index.js";
import { createAssemblies } from "./assembly.js";
import { identityOf } from "./dtls/identity.js";
import type { Identity } from "./dtls/identity.js";
import { createDtlsServer } from "./dtls/server.js";
import { createEndpoint } from "./endpoint.js";
import type { Endpoint, Peer } from "./endpoint.js";
import { createObservers } from "./observers.js";
import type { Observers } from "./observers.js";
import { createResources } from "./resources.js";

export interface CoapDoorDeps {
  readonly ingest: Ingest;
  readonly registry: Registry;
  readonly logger: Logger;
}

export interface CoapDoorOptions {
  readonly host: string;
  /** 0 for any. */
  readonly port: number;
  readonly maxPayloadBytes: number;
  /** What `stop` waits for answers that are under way. */
  readonly drainMs?: number;
  /** An answer that takes longer is announced by an empty acknowledgement, and comes separately. */
  readonly acknowledgeAfterMs?: number;
}

export interface CoapDoor extends Running, HasHealth {
  readonly port: number;
}

/** What a transport needs of CoAP: where its datagrams go, and whom to tell that a peer is gone. */
interface CoapServer {
  readonly endpoint: Endpoint;
  readonly observers: Observers;
  forget(peer: Peer): void;
  stop(): Promise<void>;
}

function createCoapServer(deps: CoapDoorDeps, maxPayloadBytes: number, acknowledgeAfterMs?: number): CoapServer {
  const { ingest, registry, logger } = deps;
  const assemblies = createAssemblies({ maxPayloadBytes });
  // Each needs the other: the resources register observers, whom the endpoint tells.
  const handler = createResources({ ...deps, maxPayloadBytes, assemblies, observers: () => observers });
  const endpoint = createEndpoint(handler, acknowledgeAfterMs);
  const observers: Observers = createObservers({
    registry,
    endpoint,
    logger,
    heard: ({ tenantId, deviceId }) => ingest.seen.heard(tenantId, deviceId),
  });
  return {
    endpoint,
    observers,
    forget(peer) {
      observers.forget(peer);
      endpoint.forget(peer);
    },
    async stop() {
      await observers.stop();
      endpoint.stop();
    },
  };
}

/** UDP loses anyway: what the system does not take off our hands is dropped, and sent again by whoever misses it. */
const MAX_SEND_QUEUE_BYTES = 8 * 1024 * 1024;
const RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024;
const DRAIN_MS = 10_000;

/** CoAP over UDP. Throws FleetlogError UNAVAILABLE when the port cannot be listened on. */
export async function startCoapDoor(deps: CoapDoorDeps, options: CoapDoorOptions): Promise<CoapDoor> {
  return startDoor("coap", deps, options, (server, socket) => ({
    receive(datagram, host, port) {
      const send = (answer: Buffer): void => sendTo(socket, answer, port, host);
      server.endpoint.receive({ id: `${host} ${port}`, host, send }, datagram);
    },
    detail: () => `${server.observers.size} observers`,
    stop: () => {},
  }));
}

export interface CoapsDoorOptions extends CoapDoorOptions {
  /** What src/tls gives. */
  readonly certificate: Pick<ServerCertificate, "current" | "onChange">;
}

/** The same over DTLS 1.2. Throws FleetlogError UNAVAILABLE, or INVALID_VALUE for a certificate that DTLS cannot use. */
export async function startCoapsDoor(deps: CoapDoorDeps, options: CoapsDoorOptions): Promise<CoapDoor> {
  const { certificate } = options;
  let identity = usable(certificate.current);
  return startDoor("coaps", deps, options, (server, socket) => {
    const dtls = createDtlsServer({
      identity: () => identity,
      send: (datagram, host, port) => sendTo(socket, datagram, port, host),
      onData: (peer, plaintext) => server.endpoint.receive(peer, plaintext),
      onClosed: (peer) => server.forget(peer),
      logger: deps.logger,
    });
    const unsubscribe = certificate.onChange((pair) => {
      try {
        identity = usable(pair);
      } catch (error) {
        deps.logger.error({ error: messageOf(error) }, "DTLS keeps the certificate that was there");
      }
    });
    return {
      receive: (datagram, host, port) => dtls.receive(datagram, host, port),
      detail: () => `${dtls.size} sessions, ${server.observers.size} observers`,
      stop() {
        unsubscribe();
        dtls.stop();
      },
    };
  });
}

function usable(pair: ServerCertificate["current"]): Identity {
  try {
    return identityOf(pair);
  } catch (error) {
    throw new FleetlogError("INVALID_VALUE", `the certificate cannot be used for CoAP over DTLS: ${messageOf(error)}`);
  }
}

/** What stands between the socket and CoAP. */
interface Transport {
  receive(datagram: Buffer, host: string, port: number): void;
  detail(): string;
  stop(): void;
}

async function startDoor(
  name: "coap" | "coaps",
  deps: CoapDoorDeps,
  { host, port, maxPayloadBytes, drainMs = DRAIN_MS, acknowledgeAfterMs }: CoapDoorOptions,
  carriedBy: (server: CoapServer, socket: Socket) => Transport,
): Promise<CoapDoor> {
  const { logger } = deps;
  const socket = await bindUdp(host, port, name, logger);
  const server = createCoapServer(deps, maxPayloadBytes, acknowledgeAfterMs);
  const transport = carriedBy(server, socket);
  const chosen = socket.address().port;
  let isClosing = false;
  let stopping: Promise<void> | undefined;
  socket.on("message", (datagram, { address, port: from }) => {
    // Nobody answers on port 0; and who is new while we close finds the next of us.
    if (isClosing || from === 0) return;
    try {
      transport.receive(datagram, address, from);
    } catch (error) {
      // A defect of ours; one datagram is not to end the process for everybody.
      logger.error({ error: messageOf(error), host: address }, `a datagram broke the ${name} door`);
    }
  });
  logger.info({ host, port: chosen }, `${name} door is open`);

  async function stop(): Promise<void> {
    isClosing = true;
    await server.endpoint.idle(drainMs);
    transport.stop();
    await server.stop();
    await new Promise<void>((resolve) => socket.close(resolve));
  }

  return {
    port: chosen,
    stop() {
      stopping ??= stop();
      return stopping;
    },
    health: (): readonly PartHealth[] => {
      if (stopping !== undefined) return [{ name, state: "down", detail: "stopping" }];
      const detail = `${transport.detail()} on port ${chosen}`;
      return [{ name, state: "up", detail, lag: server.endpoint.underway, lagUnit: "messages" }];
    },
  };
}

/** Throws FleetlogError UNAVAILABLE. */
function bindUdp(host: string, port: number, name: string, logger: Logger): Promise<Socket> {
  const socket = createSocket({ type: isIPv6(host) ? "udp6" : "udp4", recvBufferSize: RECEIVE_BUFFER_BYTES });
  return new Promise((resolve, reject) => {
    socket.once("error", (error) => {
      reject(
        new FleetlogError("UNAVAILABLE", `the ${name} door cannot listen on ${host}:${port}: ${messageOf(error)}`),
      );
    });
    socket.bind({ port, address: host, exclusive: true }, () => {
      socket.removeAllListeners("error");
      socket.on("error", (error) => logger.error({ error: messageOf(error), name }, "a UDP door has trouble"));
      resolve(socket);
    });
  });
}

function sendTo(socket: Socket, datagram: Buffer, port: number, address: string): void {
  if (socket.getSendQueueSize() > MAX_SEND_QUEUE_BYTES) return;
  // Without a callback an address that cannot be reached would be an error of the socket.
  socket.send(datagram, port, address, () => {});
}
