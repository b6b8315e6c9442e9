import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { readConfig } from "../../src/config.js";

const compose = readFileSync(new URL("../../docker-compose.yml", import.meta.url), "utf8");

/** The text under a key of the given depth, up to the next key of that depth. */
function section(text: string, key: string, indent: number): string {
  const spaces = " ".repeat(indent);
  const [, after = ""] = text.split(`\n${spaces}${key}:\n`);
  const end = after.search(new RegExp(`^ {0,${indent}}\\S`, "mu"));
  return end === -1 ? after : after.slice(0, end);
}

describe("docker-compose.yml", () => {
  it("gives the platform a configuration that it takes, with a URL for every engine", () => {
    const environment: Record<string, string> = {};
    for (const line of section(section(compose, "platform", 2), "environment", 4)
      .trim()
      .split("\n")) {
      const [, key, value] = /^\s*(\w+): (.*)$/u.exec(line) ?? [];
      if (key === undefined || value === undefined) throw new Error(`not a variable: ${line}`);
      environment[key] = value.replace(/\$\{\w+:-(.*)\}/u, "$1");
    }
    expect(readConfig(environment)).toMatchObject({
      EVENTSTORE_URL: "esdb://eventstore:2113?tls=false",
      MONGODB_URL: "mongodb://mongo:27017",
      NATS_URL: "nats://nats:4222",
      INFLUX_URL: "http://influxdb:8086",
      INFLUX_TOKEN: "fleetlog-development-token",
      MQTT_BROKER_URL: "mqtt://mosquitto:1883",
    });
  });

  it.each(["eventstore", "mongo", "nats", "influxdb", "mosquitto"])(
    "pins %s, checks its health, keeps its data, and waits for it",
    (service) => {
      const text = section(compose, service, 2);
      expect(text).toMatch(/image: \S+:\d+\.\d+/u);
      expect(text).toContain("healthcheck:");
      expect(text).toContain(`- ${service}-data:/`);
      expect(section(compose, "platform", 2)).toContain(`${service}:\n        condition: service_healthy`);
    },
  );
});
