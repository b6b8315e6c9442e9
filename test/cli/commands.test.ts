import { SignJWT } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { raiseAlert } from "../graphql/raise-alert.js";
import type { Api } from "../graphql/api.js";
import { SECRET, startApi } from "../graphql/api.js";
import type { Environment, Run } from "./run-cli.js";
import { run } from "./run-cli.js";

let api: Api;
let environment: Environment;

beforeAll(async () => {
  api = await startApi();
  environment = { FLEETLOG_URL: api.url, FLEETLOG_TOKEN_SECRET: SECRET, FLEETLOG_TENANT: "acme" };
  await done("tenant", "create", "acme", "--name", "Acme Works");
  await done("device", "register", "press-1", "--type", "press", "--name", "Press one", "--site", "hall-3");
});
afterAll(() => api.stop());

/** Runs a command that must succeed. Gives its standard output. */
async function done(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await run(args, environment);
  expect({ code, stderr: code === 0 ? "" : stderr }).toEqual({ code: 0, stderr: "" });
  return stdout;
}

async function asJson<T>(...args: readonly string[]): Promise<T> {
  return JSON.parse(await done(...args, "--json")) as T;
}

function refused(...args: readonly string[]): Promise<Run> {
  return run(args, environment);
}

describe("devices", () => {
  it("are registered, led through their life and shown", async () => {
    expect(await done("device", "activate", "press-1")).toBe("device press-1 is ACTIVE\n");
    await done("device", "maintenance", "start", "press-1", "--reason", "new belt");
    expect(await done("device", "show", "press-1")).toMatch(/status +MAINTENANCE/);
    await done("device", "maintenance", "end", "press-1");
    await done("device", "update", "press-1", "--model", "P-900", "--metadata", '{"line": 3}');
    expect(await asJson("device", "show", "press-1")).toMatchObject({
      deviceId: "press-1",
      status: "ACTIVE",
      model: "P-900",
      metadata: { line: 3 },
      location: { site: "hall-3" },
    });
    await done("device", "update", "press-1", "--clear", "model,location");
    expect(await asJson("device", "show", "press-1")).toMatchObject({ model: null, location: null, name: "Press one" });
    await done("device", "update", "press-1", "--site", "hall-3");
  });

  it("are listed by what is asked for, as a table or as JSON", async () => {
    await done("device", "register", "fan-1", "--type", "fan");
    const table = await done("device", "list", "--type", "fan");
    expect(table).toMatch(/^DEVICE +TYPE +NAME/);
    expect(table).toMatch(/^fan-1 +fan +- +REGISTERED +no/m);
    expect(table).not.toMatch(/press-1/);
    const listed = await asJson<readonly { readonly deviceId: string }[]>("device", "list", "--status", "registered");
    expect(listed.map(({ deviceId }) => deviceId)).toEqual(["fan-1"]);
  });

  it("of which there are more than asked for: that is said beside the result", async () => {
    const { stdout, stderr } = await run(["device", "list", "--limit", "1", "--json"], environment);
    expect(JSON.parse(stdout)).toHaveLength(1);
    expect(stderr).toMatch(/there are more than these 1/);
  });

  it("stood otherwise in the past", async () => {
    const [first] = (await done("events", "--device", "press-1", "--json")).trim().split("\n");
    const { occurredAt } = JSON.parse(first ?? "") as { readonly occurredAt: string };
    expect(await asJson("device", "show", "press-1", "--as-of", occurredAt)).toMatchObject({
      status: "REGISTERED",
      revision: 0,
    });
    const { code, stderr } = await refused("device", "show", "press-1", "--as-of", "2020-01-01");
    expect(stderr).toMatch(/no device press-1 in this tenant as of 2020-01-01T00:00:00.000Z \(NOT_FOUND\)/);
    expect(code).toBe(1);
  });

  it("that cannot be: one sentence, its code, exit code 1", async () => {
    const { code, stdout, stderr } = await refused("device", "register", "press-1", "--type", "press");
    expect(stderr).toMatch(/^fleetlog: .*press-1.* \(ALREADY_EXISTS\)\n$/);
    expect(stdout).toBe("");
    expect(code).toBe(1);
    expect((await refused("device", "maintenance", "start", "fan-1")).stderr).toMatch(/\(ILLEGAL_TRANSITION\)/);
    expect((await refused("device", "register", "a b", "--type", "press")).stderr).toMatch(/\(INVALID_VALUE\)/);
  });
});

describe("keys, configurations and types", () => {
  it("a key is the only thing on standard output, so that a variable can take it", async () => {
    const { stdout, stderr } = await run(["credential", "issue", "press-1", "--label", "first"], environment);
    expect(stdout).toMatch(/^flk_[\w-]{40,}\n$/);
    expect(stderr).toMatch(/it is not shown again/);
    const [issued] = await asJson<readonly { readonly credentialId: string }[]>("credential", "list", "press-1");
    await done("credential", "revoke", "press-1", issued?.credentialId ?? "", "--reason", "lost");
    expect(await asJson("credential", "list", "press-1")).toMatchObject([
      { label: "first", revokedAt: expect.any(String) },
    ]);
  });

  it("a configuration goes from version to version, and is refused where another came first", async () => {
    expect(await done("config", "set", "press-1", '{"interval": 5}', "--expected-version", "0")).toMatch(/version 1/);
    const { stderr } = await refused("config", "set", "press-1", '{"interval": 9}', "--expected-version", "0");
    expect(stderr).toMatch(/\(VERSION_CONFLICT\)/);
    expect(await done("device", "show", "press-1")).toMatch(/configuration +version 1, PENDING: \{"interval":5\}/);
  });

  it("a calibration is set by metric, and shown", async () => {
    const wanted = '{"temperature": {"offset": -0.5, "scale": 1.02}, "flow": {"scale": 2}}';
    expect(await done("calibration", "set", "press-1", wanted)).toBe("device press-1 is calibrated for 2 metrics\n");
    expect(await done("device", "show", "press-1")).toMatch(
      /calibration +temperature: 1.02 × value \+ -0.5; flow: 2 × value \+ 0/,
    );
    const { stderr } = await refused("calibration", "set", "press-1", '{"t": {"scale": 0}}');
    expect(stderr).toMatch(/scale of 0.*\(INVALID_VALUE\)/);
    await done("calibration", "set", "press-1", "{}");
    expect(await done("device", "show", "press-1")).not.toMatch(/calibration/);
  });

  it("a gateway is assigned, asked for and removed", async () => {
    await done("device", "register", "gateway-1", "--type", "gateway");
    expect(await done("gateway", "assign", "press-1", "gateway-1")).toMatch(/gateway-1 may speak for device press-1/);
    expect(await asJson("device", "list", "--gateway", "gateway-1")).toMatchObject([
      { deviceId: "press-1", gatewayId: "gateway-1" },
    ]);
    expect((await refused("gateway", "assign", "press-1", "nobody")).stderr).toMatch(/\(NOT_FOUND\)/);
    expect(await done("gateway", "remove", "press-1")).toBe("device press-1 speaks for itself alone\n");
    expect(await asJson("device", "list", "--gateway", "gateway-1")).toEqual([]);
  });

  it("a tenant's limits are the platform's to set, its retention its own", async () => {
    expect(await done("tenant", "show")).toMatch(/retention +everything is kept/);
    await done("tenant", "limits", "acme", '{"device": {"messages": {"perSecond": 10, "burst": 100}}}');
    await done("tenant", "retention", '[{"resolution": "RAW", "metric": "vibration", "days": 7}]');
    const shown = await done("tenant", "show");
    expect(shown).toMatch(/limits of all devices +the platform's defaults/);
    expect(shown).toMatch(/limits of each device +\{"messages":\{"perSecond":10,"burst":100\}\}/);
    expect(shown).toMatch(/retention +vibration at RAW: 7 days/);
  });

  it("a type says how its devices write", async () => {
    const definition = {
      metrics: [{ name: "t", quality: { maxRate: 2 } }],
      codec: { format: "senml+cbor" },
      reportEvery: 30,
    };
    await done("type", "define", "quality", JSON.stringify(definition));
    const { stdout, stderr } = await run(["type", "show", "quality"], environment);
    expect(stdout).toMatch(/^t +NUMBER.*maxRate 2$/m);
    expect(stderr).toBe("devices write SENML_CBOR, every 30 s\n");
  });

  it("a type's metrics are said in JSON, kinds as JSON calls them", async () => {
    const metrics =
      '[{"name": "temperature", "kind": "number", "unit": "Cel", "max": 150}, {"name": "state", "kind": "string"}]';
    expect(await done("type", "define", "press", metrics)).toBe("device type press is at version 1\n");
    expect(await done("type", "show", "press")).toMatch(/^temperature +NUMBER +Cel +- +150 +-$/m);
    expect(await done("type", "list")).toMatch(/^press +1 +temperature, state/m);
  });
});

describe("rules and alerts", () => {
  it("a rule is made, listed, and put out of force", async () => {
    const args = ["--metric", "temperature", "--above", "90", "--clear", "85", "--for", "5m", "--severity", "high"];
    const rule = await asJson<{ readonly ruleId: string }>(
      "rule",
      "create",
      "Too hot",
      ...args,
      "--type",
      "press,oven",
    );
    expect(rule).toMatchObject({
      severity: "HIGH",
      condition: { operator: "GT", threshold: 90, clearThreshold: 85, forSeconds: 300 },
      filter: { deviceTypes: ["press", "oven"] },
    });
    expect(await done("rule", "list")).toMatch(/Too hot +yes +HIGH +temperature > 90 for 300 s, clears at 85/);
    expect(await done("rule", "update", rule.ruleId, "--for", "10m", "--type", "press")).toMatch(
      /v2: temperature > 90 for 600 s, clears at 85/,
    );
    expect(await asJson("rule", "update", rule.ruleId, "--at-least", "95", "--name", "Far too hot")).toMatchObject({
      version: 3,
      name: "Far too hot",
      severity: "HIGH",
      condition: { operator: "GTE", threshold: 95, clearThreshold: null, forSeconds: 600 },
      filter: { deviceTypes: ["press"] },
    });
    await done("rule", "disable", rule.ruleId);
    expect(await done("rule", "list", "--enabled")).not.toMatch(/too hot/);
    await done("rule", "enable", rule.ruleId);
  });

  it("an alert is found, acknowledged and resolved", async () => {
    const id = await raiseAlert(api, "acme", { severity: "CRITICAL" });
    expect(await done("alert", "list", "--severity", "critical", "--quiet")).toBe(`${id}\n`);
    expect(await done("alert", "ack", id, "--note", "on my way")).toBe(`alert ${id} is ACKNOWLEDGED\n`);
    expect(await done("alert", "list", "--status", "acknowledged")).toMatch(/temperature 95 is above 90/);
    expect(await done("alert", "resolve", id)).toBe(`alert ${id} is RESOLVED\n`);
  });
});

describe("projections", () => {
  it("are rebuilt, and the last rebuilds listed", async () => {
    expect(await done("projections", "rebuild", "devices")).toMatch(/^projection devices is rebuilt from \d+ events/);
    expect(await done("projections", "list")).toMatch(/^devices +DONE/m);
  });

  it("that are none: those that are, are named", async () => {
    const { code, stderr } = await refused("projections", "rebuild", "nothing");
    expect(stderr).toMatch(/there are .*devices.*\(NOT_FOUND\)/);
    expect(code).toBe(1);
  });
});

describe("tokens", () => {
  it("that have expired: where to get another is said", async () => {
    const expired = await new SignJWT({ tenant: "acme", role: "ADMIN" })
      .setProtectedHeader({ alg: "HS256" })
      .setSubject("ann")
      .setExpirationTime(new Date(Date.now() - 60_000))
      .sign(new TextEncoder().encode(SECRET));
    const { code, stderr } = await run(["device", "list"], { FLEETLOG_URL: api.url, FLEETLOG_TOKEN: expired });
    expect(stderr).toMatch(/expired.*\(UNAUTHENTICATED\)\nGet a token with: npx fleetlog token issue/);
    expect(code).toBe(1);
    const watching = await run(["watch", "alerts"], { FLEETLOG_URL: api.url, FLEETLOG_TOKEN: expired });
    expect(watching.stderr).toMatch(/expired.*\(UNAUTHENTICATED\)/);
    expect(watching.code).toBe(1);
  });

  it("of another tenant than the one named are not used", async () => {
    const other = { FLEETLOG_URL: api.url, FLEETLOG_TOKEN: await api.token("other") };
    const { code, stderr } = await run(["events", "--device", "acme/press-1"], other);
    expect(stderr).toMatch(/the token is for tenant other, not acme \(FORBIDDEN\)/);
    expect(code).toBe(1);
  });

  it("that may not do it are told so", async () => {
    const viewer = { FLEETLOG_URL: api.url, FLEETLOG_TOKEN: await api.token("acme", "VIEWER") };
    expect((await run(["device", "activate", "fan-1"], viewer)).stderr).toMatch(/\(FORBIDDEN\)/);
  });
});
