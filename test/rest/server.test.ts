import { once } from "node:events";
import { createConnection } from "node:net";
import { Writable } from "node:stream";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FleetlogError } from "../../src/platform/errors.js";
import type { PartHealth } from "../../src/platform/lifecycle.js";
import type { HttpServer } from "../../src/rest/index.js";
import { startHttpServer } from "../../src/rest/index.js";

let server: HttpServer;
let parts: readonly PartHealth[] = [];
const lines: string[] = [];

beforeAll(async () => {
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(chunk.toString("utf8"));
      done();
    },
  });
  server = await startHttpServer(
    {
      logger: pino({}, sink),
      health: () => parts,
      metrics: () => Promise.resolve("fleetlog_up 1\n"),
      register: [
        (app) => {
          app.post("/echo", (request, reply) => reply.send(request.body));
          app.get("/refuse", () => {
            throw new FleetlogError("LIMIT_EXCEEDED", "too much of it: wait");
          });
          app.get("/break", () => {
            throw new Error("secret insides");
          });
        },
      ],
    },
    { port: 0, host: "127.0.0.1" },
  );
});
afterAll(() => server.stop());

const get = (path: string, headers: Record<string, string> = {}) =>
  fetch(`${server.url}${path}`, { headers, redirect: "manual" });
const post = (path: string, body: string) =>
  fetch(`${server.url}${path}`, { method: "POST", body, headers: { "content-type": "application/json" } });

describe("operations", () => {
  it("/healthz says that the process is alive, whatever its parts say", async () => {
    parts = [{ name: "event store", state: "down" }];
    const response = await get("/healthz");
    expect([response.status, await response.json()]).toEqual([200, { status: "ok" }]);
  });

  it.each([
    ["up", 200],
    ["degraded", 200],
    ["down", 503],
  ] as const)("/readyz with a part that is %s answers %d and every part", async (state, status) => {
    parts = [
      { name: "event store", state: "up" },
      { name: "writer", state, lag: 12, lagUnit: "messages", detail: "slow" },
    ];
    const response = await get("/readyz");
    expect([response.status, await response.json()]).toEqual([status, { status: state, parts }]);
  });

  it("/metrics gives Prometheus its text", async () => {
    const response = await get("/metrics");
    expect(response.headers.get("content-type")).toContain("text/plain");
    expect(await response.text()).toBe("fleetlog_up 1\n");
  });
});

describe("correlation ids", () => {
  it("are the caller's where they are one, else new, and always in the answer", async () => {
    const given = await get("/healthz", { "x-correlation-id": "order-66" });
    expect(given.headers.get("x-correlation-id")).toBe("order-66");
    const fresh = await get("/healthz", { "x-correlation-id": 'a"b{}' });
    expect(fresh.headers.get("x-correlation-id")).toMatch(/^[0-9a-f-]{36}$/);
  });

  it("stand in the log line of what went wrong, which the caller does not see", async () => {
    const response = await get("/break", { "x-correlation-id": "find-me" });
    const text = await response.text();
    expect(response.status).toBe(500);
    expect(JSON.parse(text)).toMatchObject({ error: { code: "INTERNAL", correlationId: "find-me" } });
    expect(text).not.toContain("secret");
    const line = lines.find((one) => one.includes("find-me"));
    expect(line).toContain("secret insides");
  });
});

describe("a bad request gets one clear error, in one form", () => {
  it("an error of ours with its code's status", async () => {
    const response = await get("/refuse");
    expect([response.status, await response.json()]).toMatchObject([
      429,
      { error: { code: "LIMIT_EXCEEDED", message: "too much of it: wait" } },
    ]);
  });

  it("a path that is none", async () => {
    const response = await get("/no/such?x=1");
    expect([response.status, await response.json()]).toMatchObject([404, { error: { code: "NOT_FOUND" } }]);
  });

  it("a body of more than 1 MB", async () => {
    const response = await post("/echo", JSON.stringify("x".repeat(1024 * 1024)));
    expect([response.status, await response.json()]).toMatchObject([413, { error: { code: "PAYLOAD_TOO_LARGE" } }]);
  });

  it("a path that cannot be decoded", async () => {
    const response = await get("/v1/%E0%A4%A/x");
    const body = await response.text();
    expect([response.status, JSON.parse(body)]).toMatchObject([400, { error: { code: "BAD_REQUEST" } }]);
    expect(body).not.toContain("FST_");
  });

  it.each([
    ["what is no HTTP", "\u0016\u0003\u0001\r\n\r\n", 400, "BAD_REQUEST"],
    [
      "two lengths",
      "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
      400,
      "BAD_REQUEST",
    ],
    ["a head without end", `GET / HTTP/1.1\r\nHost: x\r\nX: ${"x".repeat(20_000)}\r\n\r\n`, 431, "PAYLOAD_TOO_LARGE"],
  ])("%s", async (_, sent, status, code) => {
    const socket = createConnection({ host: "127.0.0.1", port: server.port });
    socket.on("error", () => {});
    let answer = "";
    socket.on("data", (chunk) => (answer += chunk.toString("utf8")));
    socket.write(sent);
    await once(socket, "close");
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(JSON.parse(answer.slice(answer.indexOf("\r\n\r\n")))).toMatchObject({ error: { code } });
  });

  it("a body that is no JSON", async () => {
    const response = await post("/echo", '{"a":');
    expect([response.status, await response.json()]).toMatchObject([400, { error: { code: "BAD_REQUEST" } }]);
  });
});

describe("the GraphiQL page", () => {
  it("is where a browser lands, and loads only from us", async () => {
    const root = await get("/");
    expect([root.status, root.headers.get("location")]).toEqual([302, "/graphiql"]);
    const page = await get("/graphiql");
    const html = await page.text();
    expect(page.headers.get("content-security-policy")).toContain("script-src 'self';");
    const loaded = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => match[1] ?? "");
    expect(loaded.filter((url) => !url.startsWith("/graphiql/") && url !== "data:,")).toEqual([]);
    for (const url of loaded.filter((one) => one.startsWith("/"))) {
      const asset = await get(url);
      expect([url, asset.status]).toEqual([url, 200]);
      expect((await asset.text()).length).toBeGreaterThan(20);
    }
    expect(html).not.toMatch(/<script>|onclick|https?:/);
  });

  it("comes with the protocol that our sockets speak", async () => {
    expect(await (await get("/graphiql/graphiql.js")).text()).toContain("graphql-transport-ws");
  });
});

it("stops while a client keeps its connection open", async () => {
  const other = await startHttpServer(
    { logger: pino({ level: "silent" }), health: () => [], metrics: () => Promise.resolve("") },
    { port: 0, host: "127.0.0.1" },
  );
  await (await fetch(`${other.url}/healthz`)).text();
  await other.stop();
  await expect(fetch(`${other.url}/healthz`)).rejects.toThrow("fetch failed");
});
