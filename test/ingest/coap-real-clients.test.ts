/** Debian's `coap-client` (libcoap), over UDP and over DTLS with both of its TLS libraries. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startCoapDoor, startCoapsDoor } from "../../src/ingest/coap/door.js";
import type { CoapDoor } from "../../src/ingest/coap/door.js";
import { feedFrames } from "../../src/ingest/index.js";
import type { Reading } from "../../src/ingest/index.js";
import { silentLogger } from "../../src/platform/logger.js";
import { loadServerCertificate } from "../../src/tls/index.js";
import type { ServerCertificate } from "../../src/tls/index.js";
import { needPackage } from "../support/debian.js";
import { waitFor } from "../support/wait-for.js";
import { run } from "./coap-client.js";
import { announce, gatewayUnderTest, KEY, natsUnderTest } from "./support.js";
import type { GatewayUnderTest, NatsUnderTest } from "./support.js";

const plain = await needPackage("libcoap3-bin", "coap-client-notls");

let nats: NatsUnderTest;
let under: GatewayUnderTest;
let door: CoapDoor;
let secure: CoapDoor;
let certificate: ServerCertificate;
let dir: string;
let stopFeed: () => void;
const readings: Reading[] = [];

beforeAll(async () => {
  if (plain === undefined) return;
  dir = await mkdtemp(join(tmpdir(), "fleetlog-coap-"));
  nats = await natsUnderTest();
  under = await gatewayUnderTest(nats.nc);
  certificate = await loadServerCertificate({ dataDir: dir, logger: silentLogger });
  const deps = { ingest: under.ingest, registry: under.registry, logger: silentLogger };
  const options = { host: "127.0.0.1", port: 0, maxPayloadBytes: 262_144, drainMs: 1_000 };
  door = await startCoapDoor(deps, options);
  secure = await startCoapsDoor(deps, { ...options, certificate });
  const feed = feedFrames({ nc: nats.nc, consumer: "writer", logger: silentLogger });
  stopFeed = () => feed.stop();
  void (async () => {
    for await (const frame of feed.frames) {
      readings.push(...frame.readings);
      frame.message.ack();
    }
  })();
});
afterAll(async () => {
  if (plain === undefined) return;
  stopFeed();
  await door.stop();
  await secure.stop();
  await certificate.stop();
  await under.stop();
  await nats.stop();
  await rm(dir, { recursive: true, force: true });
});

const libraries = ["openssl", "gnutls"] as const;

describe.skipIf(plain === undefined).each(["notls", ...libraries] as const)("coap-client-%s", (library) => {
  const isSecure = library !== "notls";
  const device = `d-${library}`;
  const url = (path: string, key = KEY): string => {
    const { port } = isSecure ? secure : door;
    return `${isSecure ? "coaps" : "coap"}://127.0.0.1:${port}/v1/acme/${device}/${path}?key=${key}`;
  };
  const client = async (...args: string[]): Promise<string> => {
    const trust = isSecure ? ["-R", certificate.caFile ?? ""] : [];
    const { stdout, stderr } = await run(`coap-client-${library}`, ["-B", "20", ...trust, ...args]);
    return stdout + stderr;
  };

  beforeAll(() => {
    under.models.put("acme", device, { configuration: { version: 3, config: { every: 5 } } });
  });

  test("a reading is stored, confirmable or not", async () => {
    expect(await client("-v", "6", "-m", "post", "-t", "json", "-e", '{"con":1}', url("telemetry"))).toContain("2.04");
    await client("-N", "-m", "put", "-e", '{"non":1}', url("telemetry"));
    await waitFor(() => readings.filter(({ deviceId }) => deviceId === device).length === 2);
  });

  test("a wrong key is told so", async () => {
    expect(await client("-m", "post", "-e", '{"a":1}', url("telemetry", "no"))).toContain("4.01");
  });

  test("a long array goes up in blocks", async () => {
    readings.length = 0;
    const file = join(dir, `${device}.json`);
    await writeFile(
      file,
      JSON.stringify(Array.from({ length: 1_000 }, (_, n) => ({ values: { n, text: "x".repeat(40) } }))),
    );
    await client("-m", "post", "-t", "json", "-f", file, "-b", "1024", url("telemetry"));
    const stored = await waitFor(() => readings.length >= 1_000 && readings.map(({ values }) => values["n"]));
    expect(stored).toEqual([...Array(1_000).keys()]);
  });

  test("the configuration comes down, whole and in blocks", async () => {
    expect(await client("-m", "get", url("config/desired"))).toContain('{"version":3,"config":{"every":5}}');
    const long = { version: 4, config: { long: "y".repeat(5_000) } };
    announce(nats.nc, under.models.put("acme", device, { configuration: long }));
    await waitFor(() => under.registry.peek("acme", device)?.configuration.version === 4);
    expect(await client("-m", "get", "-b", "256", url("config/desired"))).toContain("y".repeat(5_000));
  });

  test("an observer hears of a change", async () => {
    announce(nats.nc, under.models.put("acme", device, { configuration: { version: 5, config: { n: 5 } } }));
    await waitFor(() => under.registry.peek("acme", device)?.configuration.version === 5);
    const watching = isSecure ? secure : door;
    const observed = client("-s", "6", "-m", "get", url("config/desired"));
    await waitFor(() => watching.health()[0]?.detail?.includes("1 observers"));
    announce(nats.nc, under.models.put("acme", device, { configuration: { version: 6, config: { n: 6 } } }));
    const said = await observed;
    expect(said).toContain('"n":5');
    expect(said).toContain('"n":6');
  });
});

describe.skipIf(plain === undefined)("docs/guides/connect-over-coap.md", () => {
  test("works line by line", async () => {
    const configuration = { version: 1, config: { every: 5 } };
    const document = under.models.put("acme", "press-1", { configuration });
    announce(nats.nc, document);
    await waitFor(async () => (await under.registry.find("acme", "press-1"))?.revision === document.revision);
    readings.length = 0;
    const page = await readFile(
      fileURLToPath(new URL("../../docs/guides/connect-over-coap.md", import.meta.url)),
      "utf8",
    );
    const lines = [...page.matchAll(/^```sh\n(.*?)^```/gmsu)].flatMap(([, text = ""]) => text.trim().split("\n"));
    expect(lines.length).toBeGreaterThan(5);
    const said: string[] = [];
    for (const line of lines) {
      const here = line
        .replaceAll("HOST:5684", `127.0.0.1:${secure.port}`)
        .replaceAll("HOST:5683", `127.0.0.1:${door.port}`)
        .replaceAll("data/tls/ca.pem", certificate.caFile ?? "")
        .replaceAll("readings.json", join(dir, "readings.json"));
      const { stdout, stderr } = await run("bash", ["-c", `KEY=${KEY}; ${here}`]);
      said.push(`${stdout}${stderr}`.trim());
    }
    expect(said.filter((text) => text !== "")).toEqual([JSON.stringify(configuration)]);
    expect(await waitFor(() => readings.filter(({ deviceId }) => deviceId === "press-1").length === 4)).toBe(true);
  });
});
