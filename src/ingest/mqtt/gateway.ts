/** The MQTT door with its ways in over TCP and TLS. */
import { createServer } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { FleetlogError, messageOf } from "../../platform/errors.js";
import type { HasHealth, PartHealth, Running } from "../../platform/lifecycle.js";
import type { Logger } from "../../platform/logger.js";
import type { ServerCertificate } from "../../tls/index.js";
import { createMqttDoor } from "./door.js";
import type { MqttDoor, MqttDoorDeps, MqttDoorOptions } from "./door.js";

export type MqttGatewayDeps = MqttDoorDeps;

export interface MqttGatewayOptions extends MqttDoorOptions {
  readonly host: string;
  /** 0 for any. */
  readonly port: number;
  /** Not given: no TLS. */
  readonly tls?: { readonly port: number; readonly certificate: ServerCertificate };
}

export interface MqttGateway extends Running, HasHealth {
  readonly port: number;
  readonly tlsPort: number | undefined;
  /** For further ways in: WebSocket. */
  readonly door: MqttDoor;
}

/** Dead peers are noticed by the kernel after about ten of these. */
const TCP_KEEP_ALIVE_MS = 60_000;

/** Throws FleetlogError UNAVAILABLE when a port cannot be listened on. */
export async function startMqttGateway(deps: MqttGatewayDeps, options: MqttGatewayOptions): Promise<MqttGateway> {
  const { logger } = deps;
  const { host, port, tls } = options;
  const door = await createMqttDoor(deps, options);
  const servers: Server[] = [];
  try {
    const plain = createServer({ noDelay: true }, (socket) => adopt(door, socket, socket.remoteAddress));
    servers.push(await listen(plain, host, port));
    if (tls !== undefined) {
      const secure = tlsServer(door, tls.certificate, logger);
      servers.push(await listen(secure, host, tls.port));
    }
  } catch (error) {
    await closeAll(servers);
    await door.stop();
    throw error;
  }
  const [chosen = 0, tlsPort] = servers.map((server) => (server.address() as AddressInfo).port);
  logger.info({ host, port: chosen, tlsPort }, "MQTT front door is open");
  let stopping: Promise<void> | undefined;

  async function stop(): Promise<void> {
    const closed = closeAll(servers);
    await door.stop();
    await closed;
  }

  return {
    port: chosen,
    tlsPort,
    door,
    stop() {
      stopping ??= stop();
      return stopping;
    },
    health: (): readonly PartHealth[] => {
      const ports = tlsPort === undefined ? `port ${chosen}` : `ports ${chosen} and ${tlsPort} (TLS)`;
      return door.health().map((part) => ({ ...part, detail: `${part.detail ?? ""}, ${ports}` }));
    },
  };
}

function tlsServer(door: MqttDoor, certificate: ServerCertificate, logger: Logger): Server {
  const { cert, key } = certificate.current;
  const handshakeTimeout = door.connectTimeoutMs;
  const server = createTlsServer({ cert, key, handshakeTimeout, noDelay: true, minVersion: "TLSv1.2" }, (socket) => {
    shaking.delete(socket.remotePort);
    adopt(door, socket, socket.remoteAddress);
  });
  /** Connections in their handshake, the oldest first. They are not the door's yet, and may not be without number either. */
  const shaking = new Map<number | undefined, Socket>();
  const maxShaking = Math.max(1, Math.floor(door.maxConnections / 2));
  server.on("connection", (raw: Socket) => {
    const [oldest] = shaking.values();
    if (shaking.size >= maxShaking) oldest?.destroy();
    const { remotePort } = raw;
    shaking.set(remotePort, raw);
    raw.once("close", () => {
      if (shaking.get(remotePort) === raw) shaking.delete(remotePort);
    });
  });
  server.on("tlsClientError", (error, socket) => {
    logger.debug({ error: messageOf(error), address: socket.remoteAddress }, "a TLS handshake failed");
    socket.destroy();
  });
  const stopFollowing = certificate.onChange((pair) => server.setSecureContext(pair));
  server.once("close", stopFollowing);
  return server;
}

function adopt(door: MqttDoor, socket: Socket, address: string | undefined): void {
  socket.setKeepAlive(true, TCP_KEEP_ALIVE_MS);
  door.adopt(socket, address);
}

function listen(server: Server, host: string, port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    server.once("error", (error) => {
      reject(new FleetlogError("UNAVAILABLE", `the MQTT door cannot listen on ${host}:${port}: ${messageOf(error)}`));
    });
    server.listen({ host, port, backlog: 1_024 }, () => resolve(server));
  });
}

async function closeAll(servers: readonly Server[]): Promise<void> {
  await Promise.all(
    servers.map(
      (server) =>
        new Promise<void>((resolve, reject) => {
          server.close((error) => (error === undefined ? resolve() : reject(error)));
        }),
    ),
  );
}
