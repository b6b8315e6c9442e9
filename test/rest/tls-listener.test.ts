/** HTTPS: the same routes, with the certificate of all doors. */
import { once } from "node:events";
import { mkdtemp, rm, readFile } from "node:fs/promises";
import { request } from "node:https";
import type { IncomingMessage } from "node:http";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { silentLogger } from "../../src/platform/logger.js";
import type { HttpServer } from "../../src/rest/index.js";
import { startHttpServer } from "../../src/rest/index.js";
import { loadServerCertificate } from "../../src/tls/index.js";
import type { ServerCertificate } from "../../src/tls/index.js";

let dir: string;
let certificate: ServerCertificate;
let server: HttpServer;
let ca: string;
const listeners = new Set<Parameters<ServerCertificate["onChange"]>[0]>();

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "fleetlog-https-"));
  certificate = await loadServerCertificate({ dataDir: dir, logger: silentLogger });
  ca = await readFile(certificate.caFile ?? "", "utf8");
  const shown = {
    current: certificate.current,
    onChange(listener: Parameters<ServerCertificate["onChange"]>[0]) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
  server = await startHttpServer(
    {
      logger: silentLogger,
      health: () => [],
      metrics: () => Promise.resolve(""),
      register: [
        (app) => {
          app.post("/echo", (asked, reply) => reply.send(asked.body));
          const sockets = new WebSocketServer({ noServer: true });
          app.server.on("upgrade", (asked, socket, head) => {
            sockets.handleUpgrade(asked, socket, head, (opened) => opened.send("hello"));
          });
        },
      ],
    },
    { port: 0, host: "127.0.0.1", tls: { port: 0, certificate: shown } },
  );
});
afterAll(async () => {
  await server.stop();
  await certificate.stop();
  await rm(dir, { recursive: true, force: true });
});

async function ask(
  path: string,
  body?: string,
  trusted = ca,
): Promise<{ readonly status: number; readonly text: string }> {
  const asked = request({
    host: "127.0.0.1",
    port: server.tlsPort,
    path,
    ca: trusted,
    agent: false,
    method: body === undefined ? "GET" : "POST",
    headers: { "content-type": "application/json" },
  });
  asked.end(body);
  const [response] = (await once(asked, "response")) as [IncomingMessage];
  let text = "";
  for await (const chunk of response.setEncoding("utf8")) text += String(chunk);
  return { status: response.statusCode ?? 0, text };
}

describe("HTTPS", () => {
  it("serves what HTTP serves", async () => {
    expect(await ask("/healthz")).toEqual({ status: 200, text: '{"status":"ok"}' });
    expect(await ask("/echo", '{"a":1}')).toEqual({ status: 200, text: '{"a":1}' });
    expect((await ask("/nowhere")).status).toBe(404);
  });

  it("opens WebSockets", async () => {
    const socket = new WebSocket(`wss://127.0.0.1:${server.tlsPort}/ws`, { ca });
    const [message] = (await once(socket, "message")) as [Buffer];
    expect(message.toString()).toBe("hello");
    socket.terminate();
  });

  it("is not disturbed by what is no TLS", async () => {
    const socket = createConnection({ host: "127.0.0.1", port: server.tlsPort ?? 0 });
    socket.on("error", () => {});
    socket.end("GET /healthz HTTP/1.1\r\n\r\n");
    await once(socket.resume(), "close");
    expect((await ask("/healthz")).status).toBe(200);
  });

  it("shows a renewed certificate to who comes next", async () => {
    const other = await mkdtemp(join(tmpdir(), "fleetlog-https-"));
    const renewed = await loadServerCertificate({ dataDir: other, logger: silentLogger });
    for (const listener of listeners) listener(renewed.current);
    await expect(ask("/healthz")).rejects.toThrow(/certificate/u);
    expect((await ask("/healthz", undefined, await readFile(renewed.caFile ?? "", "utf8"))).status).toBe(200);
    for (const listener of listeners) listener(certificate.current);
    await renewed.stop();
    await rm(other, { recursive: true, force: true });
  });

  it("is on a port that is free, or the server does not start", async () => {
    const deps = { logger: silentLogger, health: () => [], metrics: () => Promise.resolve("") };
    const taken = { port: 0, host: "127.0.0.1", tls: { port: server.tlsPort ?? 0, certificate } };
    await expect(startHttpServer(deps, taken)).rejects.toThrow(/EADDRINUSE/u);
  });

  it("stops with idle connections open", async () => {
    const deps = { logger: silentLogger, health: () => [], metrics: () => Promise.resolve("") };
    const own = await startHttpServer(deps, { port: 0, host: "127.0.0.1", tls: { port: 0, certificate } });
    const socket = connect({ host: "127.0.0.1", port: own.tlsPort ?? 0, ca });
    await once(socket, "secureConnect");
    socket.write("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    await once(socket, "data");
    const ended = once(socket, "close");
    await own.stop();
    await ended;
    expect(socket.destroyed).toBe(true);
  });
});
