/** A gateway with all its ways in: TCP, TLS, and WebSocket with and without TLS. */
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { NatsConnection } from "nats";
import { serveMqttOverWebSocket } from "../../../src/ingest/index.js";
import type { MqttGatewayOptions } from "../../../src/ingest/index.js";
import { silentLogger } from "../../../src/platform/logger.js";
import { loadServerCertificate } from "../../../src/tls/index.js";
import { gatewayUnderTest, temporaryDir } from "../support.js";
import type { GatewayUnderTest } from "../support.js";

export interface Transports extends GatewayUnderTest {
  readonly caFile: string;
  readonly ca: string;
  readonly tlsPort: number;
  readonly wsPort: number;
  readonly urls: Readonly<Record<"mqtt" | "mqtts" | "ws" | "wss", string>>;
}

export async function startTransports(
  nc: NatsConnection,
  options: Partial<MqttGatewayOptions> = {},
): Promise<Transports> {
  const { dir, remove } = await temporaryDir();
  const certificate = await loadServerCertificate({ dataDir: dir, logger: silentLogger });
  const under = await gatewayUnderTest(nc, { tls: { port: 0, certificate }, ...options });
  const servers = [createServer(), createSecureServer(certificate.current)];
  for (const server of servers) {
    serveMqttOverWebSocket(server, under.gateway.door);
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
  }
  const [ws = 0, wss = 0] = servers.map((server) => (server.address() as AddressInfo).port);
  const { caFile = "" } = certificate;
  const tlsPort = under.gateway.tlsPort ?? 0;
  return {
    ...under,
    caFile,
    ca: await readFile(caFile, "utf8"),
    tlsPort,
    wsPort: ws,
    urls: {
      mqtt: `mqtt://127.0.0.1:${under.gateway.port}`,
      mqtts: `mqtts://127.0.0.1:${tlsPort}`,
      ws: `ws://127.0.0.1:${ws}/mqtt`,
      wss: `wss://127.0.0.1:${wss}/mqtt`,
    },
    async stop() {
      await under.stop();
      await Promise.all(
        servers.map(async (server) => {
          server.closeAllConnections();
          await new Promise((resolve) => server.close(resolve));
        }),
      );
      await certificate.stop();
      await remove();
    },
  };
}
