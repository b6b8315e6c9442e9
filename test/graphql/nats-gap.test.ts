import type { AddressInfo, Server, Socket } from "node:net";
import { connect, createServer } from "node:net";
import { createClient } from "graphql-ws";
import { afterAll, beforeAll, expect, it } from "vitest";
import { WebSocket } from "ws";
import { connectNats } from "../../src/engines/nats.js";
import { waitFor } from "../support/wait-for.js";
import type { Api } from "./api.js";
import { follow, startApi, subscribed } from "./api.js";
import { raiseAlert } from "./raise-alert.js";

/** A wire between the API and NATS that can be cut; it mends itself at the next try. */
async function startWire(url: string): Promise<{ readonly url: string; readonly server: Server; cut(): void }> {
  const { hostname, port } = new URL(url);
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(Number(port), hostname);
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on("error", () => undefined);
      socket.once("close", () => {
        sockets.delete(socket);
        near.destroy();
        far.destroy();
      });
    }
    near.pipe(far).pipe(near);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `nats://127.0.0.1:${(server.address() as AddressInfo).port}`,
    server,
    cut: () => {
      for (const socket of sockets) socket.destroy();
    },
  };
}

let api: Api;
let wire: Awaited<ReturnType<typeof startWire>>;

beforeAll(async () => {
  api = await startApi({
    natsVia: async (url) => {
      wire = await startWire(url);
      return connectNats(wire.url, "api");
    },
  });
});
afterAll(async () => {
  await api.stop();
  wire.server.close();
});

it("a subscriber learns of a gap by the end of its socket, and one that comes back by itself goes on", async () => {
  const tenant = await api.river.createTenant();
  const token = await api.token(tenant);
  const query = "subscription { alertChanged { alertId } }";
  const once = follow(api.socket(token), query);
  const faithful = createClient({
    url: `${api.url.replace("http", "ws")}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: { authorization: `Bearer ${token}` },
  });
  const followed = follow(faithful, query);
  await subscribed(api, 2);
  wire.cut();
  expect(await waitFor(() => once.failure ?? false, { what: "the end of the socket" })).toMatchObject({ code: 1012 });
  await subscribed(api, 1);
  // The API's subscription must be at the server before an alert is raised elsewhere: raised until it is seen.
  await waitFor(async () => {
    await raiseAlert(api, tenant);
    return followed.results.length > 0;
  });
  expect(followed.failure).toBeUndefined();
  await faithful.dispose();
});
