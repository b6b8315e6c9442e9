import type { AlertEvent } from "../domain/alert/index.js";
import type { AlertRuleEvent } from "../domain/alert-rule/index.js";
import type { DomainEvent } from "../domain/decider.js";
import type { DeviceEvent } from "../domain/device/index.js";
import type { DeviceTypeEvent } from "../domain/device-type/index.js";
import type { TenantEvent } from "../domain/tenant/index.js";

/** Every fact that Fleetlog records. */
export type FleetlogEvent = TenantEvent | DeviceTypeEvent | DeviceEvent | AlertRuleEvent | AlertEvent;

/** The names at run time; one that is missing here does not compile. */
const eventTypes: Readonly<Record<FleetlogEvent["type"], true>> = {
  TenantCreated: true,
  TenantLimitsChanged: true,
  RetentionChanged: true,
  DeviceTypeDefined: true,
  DeviceRegistered: true,
  DeviceDetailsChanged: true,
  DeviceActivated: true,
  DeviceDeactivated: true,
  MaintenanceStarted: true,
  MaintenanceEnded: true,
  DeviceDecommissioned: true,
  CredentialIssued: true,
  CredentialRevoked: true,
  ConfigurationChanged: true,
  ConfigurationApplied: true,
  ConfigurationFailed: true,
  CalibrationChanged: true,
  GatewayAssigned: true,
  GatewayRemoved: true,
  FirmwareUpdated: true,
  DeviceWentOnline: true,
  DeviceWentOffline: true,
  AlertRuleCreated: true,
  AlertRuleUpdated: true,
  AlertRuleEnabled: true,
  AlertRuleDisabled: true,
  AlertRaised: true,
  AlertAcknowledged: true,
  AlertResolved: true,
};

export function isEventType(type: string): type is FleetlogEvent["type"] {
  return Object.hasOwn(eventTypes, type);
}

/** Stored beside each event. Who, on whose wish, when: what an auditor asks first. */
export interface EventMetadata {
  readonly schemaVersion: number;
  readonly tenantId: string;
  /** `user:{subject}`, `device:{id}` or `system:{part}`. */
  readonly actor: string;
  readonly commandId: string;
  readonly correlationId: string;
  readonly causationId: string;
  /** ISO 8601 UTC, from the clock of the process that decided. */
  readonly occurredAt: string;
}

/** A place in the log of all events; EventStoreDB's two numbers. */
export interface LogPosition {
  readonly commit: bigint;
  readonly prepare: bigint;
}

export interface EventEnvelope {
  readonly id: string;
  readonly streamId: string;
  /** The event's number in its stream, from 0. */
  readonly revision: number;
  readonly position: LogPosition;
  readonly metadata: EventMetadata;
}

/** An event as it was read back: the fact with its envelope, still discriminated by `type`. */
export type Recorded<E extends DomainEvent = FleetlogEvent> = E extends DomainEvent ? E & EventEnvelope : never;
