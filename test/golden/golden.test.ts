import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { deciders } from "../../src/commands/aggregates.js";
import { decodeEvent, encodeEvent, schemaVersionOf } from "../../src/events/index.js";
import type { Category, EventMetadata, FleetlogEvent } from "../../src/events/index.js";
import { fold } from "../support/decider-specification.js";
import { recorded } from "../events/recorded.js";
import { earlier, exampleMetadata, examples } from "./examples.js";
import type { EventType } from "./examples.js";

interface Golden {
  readonly type: EventType;
  readonly data: Record<string, unknown>;
  readonly metadata: EventMetadata;
}

/** Where each event stands in the life of its aggregate: after which others, and what the state then shows. */
const stories: Readonly<Record<EventType, readonly [Category, after: readonly EventType[], shows: object]>> = {
  TenantCreated: ["tenant", [], { exists: true }],
  TenantLimitsChanged: ["tenant", ["TenantCreated"], { limits: examples.TenantLimitsChanged.limits }],
  RetentionChanged: ["tenant", ["TenantCreated"], { retention: examples.RetentionChanged.retention }],
  DeviceTypeDefined: [
    "deviceType",
    [],
    { version: 1, metrics: [{ name: "temperature", max: 125.5 }, { name: "mode" }, { name: "open" }] },
  ],
  DeviceRegistered: ["device", [], { status: "REGISTERED", deviceId: "press-1", details: { name: "Press 1" } }],
  DeviceDetailsChanged: ["device", ["DeviceRegistered"], { details: { name: "Press 1b", metadata: {} } }],
  DeviceActivated: ["device", ["DeviceRegistered"], { status: "ACTIVE" }],
  DeviceDeactivated: ["device", ["DeviceRegistered", "DeviceActivated"], { status: "INACTIVE" }],
  MaintenanceStarted: ["device", ["DeviceRegistered", "DeviceActivated"], { status: "MAINTENANCE" }],
  MaintenanceEnded: ["device", ["DeviceRegistered", "DeviceActivated", "MaintenanceStarted"], { status: "ACTIVE" }],
  DeviceDecommissioned: ["device", ["DeviceRegistered"], { status: "DECOMMISSIONED" }],
  CredentialIssued: [
    "device",
    ["DeviceRegistered"],
    { credentials: [{ credentialId: examples.CredentialIssued.credentialId, expiresAt: "2027-01-01T00:00:00.000Z" }] },
  ],
  CredentialRevoked: [
    "device",
    ["DeviceRegistered", "CredentialIssued"],
    { credentials: [], revoked: [examples.CredentialIssued.credentialId] },
  ],
  ConfigurationChanged: [
    "device",
    ["DeviceRegistered"],
    { configuration: { version: 1, config: examples.ConfigurationChanged.config } },
  ],
  ConfigurationApplied: [
    "device",
    ["DeviceRegistered", "ConfigurationChanged"],
    { configuration: { reported: { version: 1, status: "APPLIED" } } },
  ],
  ConfigurationFailed: [
    "device",
    ["DeviceRegistered", "ConfigurationChanged"],
    { configuration: { reported: { version: 1, status: "FAILED", error: "interval too short" } } },
  ],
  CalibrationChanged: ["device", ["DeviceRegistered"], { calibration: examples.CalibrationChanged.calibration }],
  GatewayAssigned: ["device", ["DeviceRegistered"], { gatewayId: "gateway-4" }],
  GatewayRemoved: ["device", ["DeviceRegistered", "GatewayAssigned"], { status: "REGISTERED" }],
  FirmwareUpdated: ["device", ["DeviceRegistered"], { details: { firmwareVersion: "1.5.0" } }],
  DeviceWentOnline: ["device", ["DeviceRegistered"], { online: true }],
  DeviceWentOffline: ["device", ["DeviceRegistered", "DeviceWentOnline"], { online: false }],
  AlertRuleCreated: ["alertRule", [], { enabled: true, version: 1, definition: { severity: "HIGH" } }],
  AlertRuleUpdated: ["alertRule", ["AlertRuleCreated"], { version: 2, definition: { severity: "CRITICAL" } }],
  AlertRuleEnabled: ["alertRule", ["AlertRuleCreated", "AlertRuleDisabled"], { enabled: true }],
  AlertRuleDisabled: ["alertRule", ["AlertRuleCreated"], { enabled: false }],
  AlertRaised: ["alert", [], { status: "ACTIVE" }],
  AlertAcknowledged: ["alert", ["AlertRaised"], { status: "ACKNOWLEDGED" }],
  AlertResolved: ["alert", ["AlertRaised", "AlertAcknowledged"], { status: "RESOLVED" }],
};

const types = Object.keys(stories) as readonly EventType[];
/** Every version of every type that was ever written. */
const versions = types.flatMap((type) =>
  Array.from({ length: schemaVersionOf(type) }, (_, n) => [type, n + 1] as const),
);

function golden(type: EventType, version = schemaVersionOf(type)): Golden {
  return JSON.parse(readFileSync(new URL(`${type}.v${version}.json`, import.meta.url), "utf8")) as Golden;
}

function decodeGolden(type: EventType, version?: number): FleetlogEvent {
  const decoded = decodeEvent(recorded(golden(type, version)));
  if (decoded === undefined) throw new Error(`${type} was taken for a foreign event`);
  return decoded;
}

describe("the golden files", () => {
  it("are one for each version of each event type, and no others", () => {
    const files = readdirSync(new URL(".", import.meta.url)).filter((name) => name.endsWith(".json"));
    expect(files.toSorted()).toEqual(versions.map(([type, version]) => `${type}.v${version}.json`).toSorted());
  });

  it.each(versions)("%s.v%i says its type, its version and who, on whose wish, when", (type, version) => {
    const { type: said, metadata } = golden(type, version);
    expect(said).toBe(type);
    expect(metadata).toEqual({ ...exampleMetadata, schemaVersion: version });
  });
});

describe("an event as it was stored", () => {
  it.each(versions)("%s.v%i is read as the code types it today", (type, version) => {
    expect(decodeGolden(type, version)).toMatchObject({ type, data: earlier[`${type}.v${version}`] ?? examples[type] });
  });

  it.each(versions)("%s.v%i tells the state of its aggregate", (type, version) => {
    const [category, after, shows] = stories[type];
    const decider = deciders[category];
    const before = fold(decider, after.map((earlier) => decodeGolden(earlier)));
    const state = decider.evolve(before, decodeGolden(type, version));
    expect(state).toMatchObject(shows);
    expect(before).not.toEqual(state);
  });
});

describe("an event as it is written today", () => {
  it.each(types)("%s has the shape of its newest golden file", (type) => {
    const { metadata, data } = golden(type);
    const event = { type, data: examples[type] } as FleetlogEvent;
    const written = encodeEvent("0192f0c1-2222-7abc-8def-000000000001", event, metadata);
    expect(JSON.parse(JSON.stringify(written))).toEqual({
      id: "0192f0c1-2222-7abc-8def-000000000001",
      contentType: "application/json",
      type,
      data,
      metadata,
    });
  });
});
