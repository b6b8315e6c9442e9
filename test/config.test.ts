import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { ConfigError, configSchema, readConfig, roles } from "../src/config.js";

/** What a person is told about a wrong environment, line by line. */
function problemsOf(environment: Readonly<Record<string, string>>): readonly string[] {
  try {
    readConfig(environment);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe("with nothing set", () => {
  it("the platform runs whole on one machine, on its own engines and the ports of the contract", () => {
    expect(readConfig({})).toMatchObject({
      FLEETLOG_DATA_DIR: "./data",
      FLEETLOG_HTTP_PORT: 8080,
      FLEETLOG_MQTT_PORT: 1883,
      FLEETLOG_ROLES: roles,
      FLEETLOG_LOG_LEVEL: "info",
      warnings: [],
    });
    for (const url of ["EVENTSTORE_URL", "MONGODB_URL", "NATS_URL", "INFLUX_URL", "MQTT_BROKER_URL"] as const) {
      expect(readConfig({})[url]).toBeUndefined();
    }
    expect(readConfig({}).cores).toBeGreaterThan(0);
  });

  it.each(["", " ", "\t"])("an empty variable (%j) counts as unset, as compose files write it", (empty) => {
    expect(readConfig({ FLEETLOG_HTTP_PORT: empty, NATS_URL: empty, FLEETLOG_TOKEN_SECRET: empty })).toEqual(
      readConfig({}),
    );
  });

  it.each(["mqtt://", "mqtt://:password@", "mqtt://host:99999", "mqtts://a%:b@host", "tcp://host"])(
    "an address of a broker that nobody could connect to (%s) is named",
    (url) => {
      expect(() => readConfig({ MQTT_BROKER_URL: url })).toThrow(/MQTT_BROKER_URL: must be a URL/u);
    },
  );

  it("what Kubernetes sets for a Service called fleetlog is nobody's mistake", () => {
    const links = {
      FLEETLOG_PORT: "tcp://10.0.0.1:8080",
      FLEETLOG_SERVICE_HOST: "10.0.0.1",
      FLEETLOG_SERVICE_PORT_HTTP: "8080",
      FLEETLOG_PORT_8080_TCP_ADDR: "10.0.0.1",
      FLEETLOG_API_SERVICE_PORT: "8080",
    };
    expect(() => readConfig(links)).not.toThrow();
  });

  it("what belongs to other programs is not looked at", () => {
    expect(readConfig({ PATH: "/bin", HTTP_PORT: "x", NODE_ENV: "production" })).toEqual(readConfig({}));
  });
});

describe("what is set", () => {
  it("is taken, numbers as numbers and lists as lists", () => {
    expect(
      readConfig({
        EVENTSTORE_URL: "esdb+discover://es.example.org:2113?tls=true",
        MONGODB_URL: "mongodb://a:27017,b:27017/?replicaSet=rs0",
        NATS_URL: "tls://nats.example.org",
        INFLUX_URL: "https://influx.example.org",
        FLEETLOG_HTTP_PORT: "0",
        FLEETLOG_ROLES: "gateway, writer",
        FLEETLOG_OFFLINE_GRACE_SECONDS: "2.5",
        FLEETLOG_TOKEN_SECRET: "s".repeat(32),
      }),
    ).toMatchObject({
      EVENTSTORE_URL: "esdb+discover://es.example.org:2113?tls=true",
      FLEETLOG_HTTP_PORT: 0,
      FLEETLOG_ROLES: ["gateway", "writer"],
      FLEETLOG_OFFLINE_GRACE_SECONDS: 2.5,
    });
  });

  it("that does nothing without another one is taken with a warning, never in silence", () => {
    const mapping = { FLEETLOG_BRIDGE_MAPPING: "mapping.json" };
    expect(readConfig(mapping).warnings).toEqual([
      "FLEETLOG_BRIDGE_MAPPING is set, but MQTT_BROKER_URL is not: there is no bridge",
    ]);
    expect(readConfig({ ...mapping, MQTT_BROKER_URL: "mqtt://broker:1883" }).warnings).toEqual([]);
  });
});

describe("a mistake", () => {
  it.each<[string, string, string]>([
    ["FLEETLOG_HTTP_PORT", "http", 'must be a whole number from 0 to 65535 (it is "http")'],
    ["FLEETLOG_HTTP_PORT", "65536", 'must be a whole number from 0 to 65535 (it is "65536")'],
    ["FLEETLOG_MQTT_PORT", "-1", 'must be a whole number from 0 to 65535 (it is "-1")'],
    ["FLEETLOG_MQTT_PORT", "18.83", 'must be a whole number from 0 to 65535 (it is "18.83")'],
    ["FLEETLOG_MAX_PAYLOAD_BYTES", "1 MB", 'must be a whole number from 1024 to 8388608 (it is "1 MB")'],
    ["FLEETLOG_OFFLINE_GRACE_SECONDS", "-1", 'must not be negative (it is "-1")'],
    ["FLEETLOG_MAX_READING_AGE_DAYS", "0", 'must be above 0 (it is "0")'],
    ["NATS_URL", "localhost:4222", 'must be a URL that begins with nats:// or tls:// (it is "localhost:4222")'],
    ["FLEETLOG_ROLES", "gateway,wroter", `must be a list of ${roles.join(", ")} (it is "gateway,wroter")`],
    ["FLEETLOG_ROLES", "gateway,", `must be a list of ${roles.join(", ")} (it is "gateway,")`],
    ["FLEETLOG_TOKEN_SECRET", "short", "must have at least 32 characters"],
  ])("in %s (%j) is named with what it should be", (key, value, sentence) => {
    expect(problemsOf({ [key]: value })).toEqual([`${key}: ${sentence}`]);
  });

  it("in a key's name is named too, instead of being ignored", () => {
    expect(problemsOf({ FLEETLOG_HTP_PORT: "8080" })).toEqual([
      "FLEETLOG_HTP_PORT is not a setting of Fleetlog: see docs/reference/configuration.md",
    ]);
  });

  it("comes with all the others, each on its line", () => {
    const wrong = { FLEETLOG_HTPP_PORT: "1", FLEETLOG_HTTP_PORT: "x", MONGODB_URL: "x", FLEETLOG_LOG_LEVEL: "loud" };
    const problems = problemsOf(wrong);
    const named = problems.map((problem) => problem.replace(/[: ].*$/su, ""));
    expect(named.toSorted()).toEqual(Object.keys(wrong).toSorted());
    expect(() => readConfig(wrong)).toThrow(
      `the configuration has 4 mistakes:\n${problems.map((problem) => `  ${problem}`).join("\n")}`,
    );
  });

  it.each<[string, string, string]>([
    ["FLEETLOG_TOKEN_SECRET", "hunter2", "hunter2"],
    ["MONGODB_URL", "postgres://ada:hunter2@db.example.org/fleet", "hunter2"],
    ["EVENTSTORE_URL", "esdb:/admin:hunter2@es", "hunter2"],
    ["NATS_URL", "ada:hunter@2@nats:4222", "hunter"],
    ["FLEETLOG_HTTP_PASSWORD", "hunter2", "hunter2"],
  ])("in %s never shows the secret in it", (key, value, secret) => {
    const said = problemsOf({ [key]: value }).join("\n");
    expect(said).toContain(key);
    expect(said).not.toContain(secret);
  });

  it("in a URL still shows the part that is no secret", () => {
    expect(problemsOf({ MONGODB_URL: "postgres://ada:hunter2@db.example.org/fleet" })).toEqual([
      'MONGODB_URL: must be a URL that begins with mongodb:// or mongodb+srv:// (it is "…@db.example.org/fleet")',
    ]);
  });
});

const reference = new URL("../docs/reference/configuration.md", import.meta.url);
describe.runIf(existsSync(reference))("docs/reference/configuration.md", () => {
  it("names every variable that the program reads", () => {
    const text = readFileSync(reference, "utf8");
    expect(Object.keys(configSchema.shape).filter((key) => !text.includes(`\`${key}\``))).toEqual([]);
  });

  it("names no FLEETLOG_ variable that the program does not know", () => {
    const named = readFileSync(reference, "utf8").match(/\bFLEETLOG_[A-Z_]*[A-Z]\b/gu) ?? [];
    const unknown = named.filter((key) =>
      problemsOf({ [key]: "1" }).some((problem) => problem.includes("is not a setting")),
    );
    expect([...new Set(unknown)]).toEqual([]);
  });
});
