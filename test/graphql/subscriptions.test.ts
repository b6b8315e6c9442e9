import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { tenantId } from "../../src/domain/ids.js";
import { MAX_WAITING_ITEMS } from "../../src/graphql/change-feed.js";
import { subjects } from "../../src/platform/subjects.js";
import { waitFor } from "../support/wait-for.js";
import type { Api } from "./api.js";
import { follow, startApi, subscribed } from "./api.js";
import { raiseAlert } from "./raise-alert.js";

let api: Api;
let tenant: string;
let viewer: string;

beforeAll(async () => {
  api = await startApi({ socketLimits: { subscriptionsPerSocket: 3, sockets: 8, messageBytes: 16 * 1024 } });
  tenant = await api.river.createTenant();
  viewer = await api.token(tenant, "VIEWER");
});
afterAll(() => api.stop());

const ALERTS = `subscription ($severities: [Severity!], $deviceId: ID) {
  alertChanged(severities: $severities, deviceId: $deviceId) { alertId status severity deviceId device { deviceId } }
}`;

const reading = (values: Record<string, unknown>, quality?: Record<string, string>, ts = 1_700_000_000_000) =>
  api.river.nats.publish(
    subjects.telemetry(tenant, "press-1"),
    JSON.stringify({ ts, receivedAt: ts + 5, deviceType: "press", values, quality }),
  );

describe("alertChanged", () => {
  it("tells of each change, once it can be queried, and of none that was not asked for", async () => {
    const socket = api.socket(viewer);
    const all = follow(socket, ALERTS);
    const high = follow(socket, ALERTS, { severities: ["HIGH", "CRITICAL"] });
    const others = follow(socket, ALERTS, { deviceId: "other" });
    await subscribed(api, 3);
    const low = await raiseAlert(api, tenant, { severity: "LOW" });
    const id = await raiseAlert(api, tenant, { severity: "HIGH" });
    await waitFor(() => high.results.length === 1 && all.results.length === 2);
    const found = await api.ask(viewer, `query ($id: ID!) { alert(id: $id) { status } }`, { id });
    expect(found.data.alert.status).toBe("ACTIVE");

    const operator = await api.token(tenant, "OPERATOR");
    await api.ask(operator, `mutation ($id: ID!) { acknowledgeAlert(input: { alertId: $id }) { shown } }`, { id });
    await waitFor(() => high.results.length === 2 && all.results.length === 3);
    expect(all.results.map(({ data }) => data)).toMatchObject([
      { alertChanged: { alertId: low, status: "ACTIVE" } },
      { alertChanged: { alertId: id, status: "ACTIVE" } },
      { alertChanged: { alertId: id, status: "ACKNOWLEDGED" } },
    ]);
    expect(others.results).toEqual([]);
    await socket.dispose();
    await subscribed(api, 0);
  });

  it("tells another tenant nothing, even where a note strays onto its subject", async () => {
    const other = await api.river.createTenant();
    const socket = api.socket(await api.token(other));
    const followed = follow(socket, ALERTS);
    await subscribed(api, 1);
    const id = await raiseAlert(api, tenant);
    const document = await api.river.readModels.alerts.find(tenant, id);
    const { nats } = api.river;
    nats.publish(subjects.changed("alert", other, id), JSON.stringify({ entity: "alert", id, document }));
    nats.publish(subjects.changed("alert", other, "broken"), "no JSON");
    const own = await raiseAlert(api, other);
    await waitFor(() => followed.results.length > 0);
    expect(followed.results).toMatchObject([{ data: { alertChanged: { alertId: own } } }]);
    await socket.dispose();
    await subscribed(api, 0);
  });
});

it("deviceChanged tells of one device, or of all", async () => {
  const socket = api.socket(viewer);
  const DEVICES = `subscription ($id: ID) { deviceChanged(deviceId: $id) { deviceId status revision } }`;
  const all = follow(socket, DEVICES);
  const one = follow(socket, DEVICES, { id: "two" });
  await subscribed(api, 2);
  await api.river.registerDevice(tenantId(tenant), "one");
  await api.river.registerDevice(tenantId(tenant), "two");
  await waitFor(() => all.results.length === 2 && one.results.length === 1);
  expect(one.results).toMatchObject([
    { data: { deviceChanged: { deviceId: "two", status: "REGISTERED", revision: 0 } } },
  ]);
  await socket.dispose();
  await subscribed(api, 0);
});

it("shows with each event the world as it is then", async () => {
  const operator = await api.token(tenant, "OPERATOR");
  const rename = (name: string) =>
    api.must(
      operator,
      `mutation ($name: String!) { updateDevice(input: { deviceId: "named", name: $name }) { shown } }`,
      {
        name,
      },
    );
  await api.river.registerDevice(tenantId(tenant), "named");
  await rename("before");
  const socket = api.socket(viewer);
  const followed = follow(socket, `subscription { alertChanged(deviceId: "named") { device { name } } }`);
  await subscribed(api, 1);
  await raiseAlert(api, tenant, { deviceId: "named" });
  await waitFor(() => followed.results.length === 1);
  await rename("after");
  await raiseAlert(api, tenant, { deviceId: "named" });
  await waitFor(() => followed.results.length === 2);
  expect(followed.results.map(({ data }) => data)).toEqual([
    { alertChanged: { device: { name: "before" } } },
    { alertChanged: { device: { name: "after" } } },
  ]);
  await socket.dispose();
  await subscribed(api, 0);
});

describe("telemetryReceived", () => {
  const TELEMETRY = `subscription ($id: ID!, $metrics: [String!]) {
    telemetryReceived(deviceId: $id, metrics: $metrics) { deviceId deviceType timestamp receivedAt values quality }
  }`;
  it("gives each reading of a device, or the metrics chosen", async () => {
    const socket = api.socket(viewer);
    const all = follow(socket, TELEMETRY, { id: "press-1" });
    const some = follow(socket, TELEMETRY, { id: "press-1", metrics: ["temperature"] });
    await subscribed(api, 2);
    reading({ pressure: 2 });
    reading({ temperature: 21.5, pressure: 3, state: "on" }, { temperature: "range|spike", pressure: "late" });
    await waitFor(() => all.results.length === 2 && some.results.length === 1);
    expect(some.results[0]).toEqual({
      data: {
        telemetryReceived: {
          deviceId: "press-1",
          deviceType: "press",
          timestamp: "2023-11-14T22:13:20.000Z",
          receivedAt: "2023-11-14T22:13:20.005Z",
          values: { temperature: 21.5 },
          quality: { temperature: ["range", "spike"] },
        },
      },
    });
    await socket.dispose();
    await subscribed(api, 0);
  });

  it.each(["*", ">", "a.b", "press-1.>"])("takes no wildcard for a device id: %s", async (id) => {
    const socket = api.socket(viewer);
    const followed = follow(socket, TELEMETRY, { id });
    await waitFor(() => followed.ended);
    expect(followed.results).toMatchObject([{ errors: [{ extensions: { code: "INVALID_VALUE" } }] }]);
    await socket.dispose();
  });

  it("ends for a reader that does not keep up, which is told so, while others go on", async () => {
    // A socket that is not read: the kernel's buffers fill, then ours.
    const slow = new WebSocket(`${api.url.replace("http", "ws")}/graphql`, "graphql-transport-ws");
    await new Promise((resolve) => slow.once("open", resolve));
    const received: string[] = [];
    slow.on("message", (data: Buffer) => received.push(data.toString("utf8")));
    slow.send(JSON.stringify({ type: "connection_init", payload: { authorization: `Bearer ${viewer}` } }));
    await waitFor(() => received.length === 1);
    const payload = { query: TELEMETRY, variables: { id: "press-1" } };
    slow.send(JSON.stringify({ type: "subscribe", id: "1", payload }));
    await subscribed(api, 1);
    slow.pause();
    const blob = "x".repeat(100_000);
    const gone = waitFor(
      async () => {
        for (let n = 0; n < 100; n += 1) reading({ blob });
        await api.river.nats.flush();
        return (await api.metrics()).includes("fleetlog_graphql_subscriptions 0");
      },
      { what: "the slow subscription to end" },
    );
    await gone;
    expect((await api.ask(viewer, "{ me { role } }")).errors).toEqual([]);
    slow.resume();
    const last = await waitFor(() => received.find((message) => message.includes("LIMIT_EXCEEDED")));
    expect(JSON.parse(last)).toMatchObject({
      type: "next",
      payload: { errors: [{ extensions: { code: "LIMIT_EXCEEDED", details: { bound: MAX_WAITING_ITEMS } } }] },
    });
    await waitFor(() => received.some((message) => message.includes('"complete"')));
    slow.close();
    await waitFor(() => slow.readyState === WebSocket.CLOSED);
  });
});

describe("a socket", () => {
  it("is closed with 4403 when its token ends", async () => {
    const socket = api.socket(await api.token(tenant, "VIEWER", 1));
    const followed = follow(socket, ALERTS);
    const failure = await waitFor(() => followed.failure ?? false, { what: "the token to end" });
    expect(failure).toMatchObject({ code: 4403, reason: expect.stringContaining("expired") });
    await subscribed(api, 0);
  });

  it("runs so many subscriptions and no more", async () => {
    const socket = api.socket(viewer);
    const followed = Array.from({ length: 4 }, () => follow(socket, ALERTS));
    await waitFor(() => followed.some(({ failure }) => failure !== undefined));
    const failures = followed.map(({ failure }) => failure).filter((failure) => failure !== undefined);
    expect(failures).toMatchObject([[{ extensions: { code: "LIMIT_EXCEEDED" } }]]);
    await subscribed(api, 3);
    await socket.dispose();
    await subscribed(api, 0);
  });

  it("gives errors in their public form, and goes on after them", async () => {
    const socket = api.socket(viewer);
    const wrong = follow(socket, "subscription { nonsense }");
    expect(await waitFor(() => wrong.failure ?? false)).toMatchObject([{ extensions: { code: "BAD_REQUEST" } }]);
    const broken = follow(socket, "subscription {");
    expect(await waitFor(() => broken.failure ?? false)).toMatchObject([{ extensions: { code: "BAD_REQUEST" } }]);
    const query = follow(socket, `{ device(id: "a b") { deviceId } me { role } }`);
    await waitFor(() => query.ended);
    expect(query.results).toMatchObject([
      { data: { me: { role: "VIEWER" } }, errors: [{ extensions: { code: "INVALID_VALUE" } }] },
    ]);
    expect(JSON.stringify(query.results)).not.toContain("stack");
    await socket.dispose();
  });

  it("that says nonsense, too much, or nothing that we speak, ends alone", async () => {
    const url = `${api.url.replace("http", "ws")}/graphql`;
    const closeOf = async (messages: readonly string[], subprotocol = "graphql-transport-ws") => {
      const socket = new WebSocket(url, subprotocol);
      const closed = new Promise<number>((resolve) => socket.once("close", resolve));
      socket.on("error", () => undefined);
      socket.once("open", () => {
        for (const message of messages) socket.send(message);
      });
      return closed;
    };
    expect(await closeOf(["no JSON"])).toBe(4400);
    expect(await closeOf(["x".repeat(20_000)])).toBe(1009);
    expect(await closeOf([JSON.stringify({ type: "subscribe", id: "1", payload: { query: ALERTS } })])).toBe(4401);
    expect([1002, 1006]).toContain(await closeOf([], "graphql-ws"));
    expect((await api.ask(viewer, "{ me { role } }")).errors).toEqual([]);
  });

  it("beyond the bound of the process is answered 503; one for another path 404", async () => {
    const status = (path: string) =>
      new Promise<number | undefined>((resolve, reject) => {
        const socket = new WebSocket(`${api.url.replace("http", "ws")}${path}`, "graphql-transport-ws");
        socket.once("unexpected-response", (request, response) => {
          resolve(response.statusCode);
          request.destroy();
        });
        socket.once("open", () => resolve(101));
        socket.once("error", reject);
        open.push(socket);
      });
    const open: WebSocket[] = [];
    expect(await status("/elsewhere")).toBe(404);
    const answers = [];
    for (let n = 0; n < 9; n += 1) answers.push(await status("/graphql"));
    expect(answers.at(-1)).toBe(503);
    for (const socket of open) socket.terminate();
    await waitFor(async () => (await api.metrics()).includes("fleetlog_graphql_sockets 0"));
  });

  it("that breaks off in the middle of its greeting disturbs nobody", async () => {
    const { port, hostname } = new URL(api.url);
    const raw = connect(Number(port), hostname);
    raw.write("GET /graphql HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
    await new Promise((resolve) => raw.once("data", resolve));
    raw.destroy();
    expect((await api.ask(viewer, "{ me { role } }")).errors).toEqual([]);
  });
});
