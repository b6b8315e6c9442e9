import { connect, createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { at, system } from "../support/river.js";
import { waitFor } from "../support/wait-for.js";
import { raiseAlert } from "../graphql/raise-alert.js";
import type { Api } from "../graphql/api.js";
import { SECRET, startApi, subscribed } from "../graphql/api.js";
import type { Running } from "./run-cli.js";
import { begin } from "./run-cli.js";

let api: Api;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.stop());

interface Proxy {
  readonly url: string;
  /** Ends every connection that there is. */
  cut(): void;
  stop(): Promise<void>;
}

/** Stands between the command line and the platform, so that what lies between them can break. */
async function startProxy(target: string): Promise<Proxy> {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(Number(port), hostname);
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => {
        sockets.delete(socket);
        near.destroy();
        far.destroy();
      });
    }
    near.pipe(far).pipe(near);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut,
    stop: () =>
      new Promise((resolve) => {
        cut();
        server.close(() => resolve());
      }),
  };
}

function revisions({ stdout }: Running): readonly number[] {
  return stdout()
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => (JSON.parse(line) as { readonly revision: number }).revision);
}

describe("events --follow", () => {
  it("gives every event once and in order, also over connections that break", async () => {
    const tenant = await api.river.createTenant();
    const device = await api.river.registerDevice(tenant);
    const configure = async (value: number): Promise<void> => {
      const command = { type: "SetConfiguration", at: at(), data: { config: { value } } } as const;
      await api.river.commands.execute({ category: "device", tenantId: tenant, id: device, command, actor: system });
    };
    for (let n = 1; n <= 3; n += 1) await configure(n);

    const proxy = await startProxy(api.url);
    const following = begin(["events", "--device", `${tenant}/${device}`, "--follow", "--json"], {
      FLEETLOG_URL: proxy.url,
      FLEETLOG_TOKEN_SECRET: SECRET,
    });
    await waitFor(() => revisions(following).length === 4, { what: "the history" });
    await subscribed(api, 1);
    await configure(4);
    await waitFor(() => revisions(following).length === 5, { what: "what happens now" });
    proxy.cut();
    await configure(5);
    await waitFor(() => revisions(following).length === 6, { what: "what happened without a connection" });
    await subscribed(api, 1);
    for (let n = 6; n <= 20; n += 1) await configure(n);
    await waitFor(() => revisions(following).length === 21, { what: "what happens after it" });
    expect(revisions(following)).toEqual(Array.from({ length: 21 }, (_, n) => n));

    following.stop();
    expect((await following.ended).code).toBe(0);
    await proxy.stop();
  });

  it("of a device that is not there is refused at once", async () => {
    const tenant = await api.river.createTenant();
    const { code, stderr } = await begin(["events", "--device", `${tenant}/none`, "--follow"], {
      FLEETLOG_URL: api.url,
      FLEETLOG_TOKEN_SECRET: SECRET,
    }).ended;
    expect(stderr).toMatch(/no device none in this tenant \(NOT_FOUND\)/);
    expect(code).toBe(1);
  });
});

describe("watch alerts", () => {
  it("prints alerts as they come, says when it was cut off, and ends when told to", async () => {
    const tenant = await api.river.createTenant();
    const proxy = await startProxy(api.url);
    const watching = begin(["watch", "alerts", "--severity", "critical"], {
      FLEETLOG_URL: proxy.url,
      FLEETLOG_TOKEN_SECRET: SECRET,
      FLEETLOG_TENANT: tenant,
    });
    await subscribed(api, 1);
    await raiseAlert(api, tenant, { severity: "LOW" });
    const first = await raiseAlert(api, tenant, { severity: "CRITICAL" });
    await waitFor(() => watching.stdout().includes(first));
    proxy.cut();
    await waitFor(() => /connection is lost.*connected again/su.test(watching.stderr()));
    await subscribed(api, 1);
    const second = await raiseAlert(api, tenant, { severity: "CRITICAL" });
    await waitFor(() => watching.stdout().includes(second));
    watching.stop();
    const { code, stdout } = await watching.ended;
    expect(stdout.trim().split("\n")).toHaveLength(2);
    expect(code).toBe(0);
    await proxy.stop();
  });
});
