/**
 * One example of every event as the code types it today, with every field that it may carry. Renaming a field, or adding
 * an event type, does not compile here; and what is then changed here no longer equals the golden file beside it,
 * which is never edited. So the storage format cannot change by accident.
 */
import { alertId, credentialId, deviceId, deviceTypeId, ruleId, tenantId } from "../../src/domain/ids.js";
import type { EventMetadata, FleetlogEvent } from "../../src/events/index.js";

export type EventType = FleetlogEvent["type"];

const tenant = tenantId("acme");
const press = deviceId("press-1");
const key = credentialId("0192f0c1-2b3c-7d4e-8f5a-6b7c8d9e0f1a");
const rule = ruleId("0192f0c1-9a8b-7c6d-9e4f-3a2b1c0d9e8f");
const definition = {
  name: "Too hot",
  description: "The bearing melts above 100",
  filter: { deviceIds: [press], deviceTypes: [deviceTypeId("press")], sites: ["hall-4"] },
  condition: { metric: "temperature", operator: "GT", threshold: 90, clearThreshold: 85.5, forSeconds: 60 },
  severity: "HIGH",
  cooldownSeconds: 300,
  notificationChannels: [{ kind: "email", to: "ops@example.org" }],
} as const;

export const examples: { readonly [E in FleetlogEvent as E["type"]]: E["data"] } = {
  TenantCreated: { tenantId: tenant, name: "Acme" },
  TenantLimitsChanged: {
    limits: {
      tenant: {
        messages: { perSecond: 5000, burst: 20_000 },
        bytes: { perSecond: 1_000_000, burst: 5_000_000 },
        connections: 1000,
      },
      device: { messages: { perSecond: 10.5, burst: 100 }, connections: 2 },
    },
  },
  RetentionChanged: {
    retention: [
      { resolution: "RAW", days: 30 },
      { resolution: "RAW", metric: "vibration", days: 7 },
      { resolution: "HOUR", days: 730 },
    ],
  },
  DeviceTypeDefined: {
    tenantId: tenant,
    deviceType: deviceTypeId("press"),
    version: 1,
    metrics: [
      {
        name: "temperature",
        kind: "number",
        unit: "Cel",
        min: -40,
        max: 125.5,
        quality: { expectedMin: 10, expectedMax: 90.5, maxRate: 2.5, stuckAfter: 600 },
      },
      { name: "mode", kind: "string" },
      { name: "open", kind: "boolean" },
    ],
    codec: {
      format: "protobuf",
      protobuf: { schema: 'syntax = "proto3"; message Reading { double temperature = 1; }', message: "Reading" },
    },
    reportEvery: 10,
  },
  DeviceRegistered: {
    tenantId: tenant,
    deviceId: press,
    deviceType: deviceTypeId("press"),
    name: "Press 1",
    description: "hydraulic, hall 4",
    manufacturer: "Schuler",
    model: "MSD-400",
    firmwareVersion: "1.4.2",
    location: { site: "hall-4", latitude: 48.77, longitude: 9.18 },
    metadata: { line: 4, tags: ["hot"], owner: null },
  },
  DeviceDetailsChanged: {
    name: "Press 1b",
    description: null,
    manufacturer: "Andritz Schuler",
    model: "MSD-401",
    firmwareVersion: "1.4.3",
    location: { site: "hall-5" },
    metadata: {},
  },
  DeviceActivated: {},
  DeviceDeactivated: { reason: "out of season" },
  MaintenanceStarted: { reason: "bearing is worn" },
  MaintenanceEnded: {},
  DeviceDecommissioned: { reason: "sold" },
  CredentialIssued: {
    credentialId: key,
    credentialType: "API_KEY",
    hash: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    label: "line 4",
    expiresAt: "2027-01-01T00:00:00.000Z",
  },
  CredentialRevoked: { credentialId: key, reason: "lost" },
  ConfigurationChanged: { version: 1, config: { interval: 10, thresholds: { warn: 80.5 }, on: true, note: null } },
  ConfigurationApplied: { version: 1 },
  ConfigurationFailed: { version: 1, error: "interval too short" },
  CalibrationChanged: {
    calibration: { temperature: { offset: -0.5, scale: 1.02 }, "flow.raw": { scale: 0.1 }, humidity: { offset: 3 } },
  },
  GatewayAssigned: { gatewayId: deviceId("gateway-4") },
  GatewayRemoved: { gatewayId: deviceId("gateway-4") },
  FirmwareUpdated: { firmwareVersion: "1.5.0", previousVersion: "1.4.2" },
  DeviceWentOnline: { since: "2026-01-15T12:00:00.000Z" },
  DeviceWentOffline: { since: "2026-01-15T12:05:00.000Z", reason: "connection-lost" },
  AlertRuleCreated: { tenantId: tenant, ruleId: rule, version: 1, ...definition },
  AlertRuleUpdated: { version: 2, ...definition, severity: "CRITICAL" },
  AlertRuleEnabled: {},
  AlertRuleDisabled: {},
  AlertRaised: {
    tenantId: tenant,
    alertId: alertId("3f0c8a52-0d54-5b2c-8c3e-1f2a3b4c5d6e"),
    ruleId: rule,
    ruleVersion: 2,
    deviceId: press,
    severity: "HIGH",
    message: "temperature 92.4 of press-1 is above 90 for 60 s",
    metric: "temperature",
    value: 92.4,
    threshold: 90,
    since: "2026-01-15T12:00:00.000Z",
    triggeredAt: "2026-01-15T12:01:00.000Z",
  },
  AlertAcknowledged: { by: "user:ada", note: "on my way" },
  AlertResolved: {
    resolvedAt: "2026-01-15T12:30:00.000Z",
    cause: "condition-cleared",
    value: 84,
    by: "user:ada",
    note: "bearing replaced",
  },
};

/** What golden files of older versions are read as, where that is not the example of today: `{type}.v{version}`. */
export const earlier: Readonly<Record<string, object>> = {
  "DeviceDetailsChanged.v1": {
    name: "Press 1b",
    description: "overhauled",
    manufacturer: "Andritz Schuler",
    model: "MSD-401",
    firmwareVersion: "1.4.3",
    location: { site: "hall-5" },
    metadata: {},
  },
  "DeviceTypeDefined.v1": {
    tenantId: tenant,
    deviceType: deviceTypeId("press"),
    version: 1,
    metrics: [
      { name: "temperature", kind: "number", unit: "Cel", min: -40, max: 125.5 },
      { name: "mode", kind: "string" },
      { name: "open", kind: "boolean" },
    ],
  },
};

export const exampleMetadata: EventMetadata = {
  schemaVersion: 1,
  tenantId: "acme",
  actor: "user:ada",
  commandId: "0192f0c1-1111-7abc-8def-000000000001",
  correlationId: "0192f0c1-1111-7abc-8def-000000000002",
  causationId: "0192f0c1-1111-7abc-8def-000000000003",
  occurredAt: "2026-01-15T12:00:00.000Z",
};
