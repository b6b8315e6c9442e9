import { deviceId, deviceTypeId, ruleId, tenantId } from "../../../src/domain/ids.js";
import { encodeFrame, openFrame } from "../../../src/ingest/index.js";
import type { FrameView, Reading } from "../../../src/ingest/index.js";
import { derivedId } from "../../../src/platform/ids.js";
import type { AlertRuleDocument } from "../../../src/projections/index.js";

/** A rule as the read model has it: temperature above 90, at once, for every device of tenant acme. */
export function ruleDocument(name: string, changes: Partial<AlertRuleDocument> = {}): AlertRuleDocument {
  const id = ruleId(derivedId("test-rule", name));
  return {
    _id: id,
    tenantId: tenantId("acme"),
    ruleId: id,
    revision: 0,
    version: 1,
    enabled: true,
    name,
    filter: {},
    condition: { metric: "temperature", operator: "GT", threshold: 90, forSeconds: 0 },
    severity: "HIGH",
    cooldownSeconds: 0,
    notificationChannels: [],
    createdAt: "2026-01-01T00:00:00.000Z",
    updatedAt: "2026-01-01T00:00:00.000Z",
    ...changes,
  };
}

/** `at`: seconds of device time. */
export function reading(
  device: string,
  at: number,
  temperature: number | string,
  more: Partial<Reading> = {},
): Reading {
  return {
    tenantId: tenantId("acme"),
    deviceId: deviceId(device),
    deviceType: deviceTypeId("press"),
    receivedAt: at * 1_000,
    timestamp: at * 1_000,
    values: { temperature },
    ...more,
  };
}

export function frame(...readings: readonly Reading[]): FrameView {
  return openFrame(encodeFrame(readings));
}
