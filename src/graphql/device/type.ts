import "reflect-metadata";
import { Field, Float, ID, Int, ObjectType } from "type-graphql";
import type { CredentialType as CredentialKind, DeviceStatus as Status } from "../../domain/device/index.js";
import type { JsonObject as JsonObjectValue } from "../../domain/json.js";
import type { DeviceDocument } from "../../projections/index.js";
import { connectionType } from "../connection.js";
import { DateTime, Json, JsonObject } from "../scalars.js";
import { ConfigurationStatus, CredentialType, DeviceStatus } from "./enums.js";

/** What the device resolvers are given: the read model's document, or one folded from the history as of a past time. */
export type DeviceView = DeviceDocument & { readonly asOf?: Date };

@ObjectType({ description: "Where a device stands." })
export class Location {
  @Field(() => String, { nullable: true, description: "A short label of the place; a tag of the time series." })
  readonly site?: string;

  @Field(() => Float, { nullable: true, description: "Degrees, WGS 84." })
  readonly latitude?: number;

  @Field(() => Float, { nullable: true, description: "Degrees, WGS 84." })
  readonly longitude?: number;
}

@ObjectType({ description: "Whether the device is connected, and since when. Short breaks do not count." })
export class Connectivity {
  @Field(() => Boolean)
  readonly online!: boolean;

  @Field(() => DateTime, { nullable: true })
  readonly since?: string;

  @Field(() => String, { nullable: true, description: "Why it went offline: disconnected, connection-lost or silent." })
  readonly reason?: string;
}

@ObjectType({ description: "A key that the device may log in with. The key itself is shown once, when it is issued." })
export class Credential {
  @Field(() => ID)
  readonly credentialId!: string;

  @Field(() => CredentialType)
  readonly type!: CredentialKind;

  @Field(() => String, { nullable: true })
  readonly label?: string;

  @Field(() => DateTime)
  readonly issuedAt!: string;

  @Field(() => DateTime, { nullable: true })
  readonly expiresAt?: string;

  @Field(() => DateTime, { nullable: true })
  readonly revokedAt?: string;
}

@ObjectType()
export class DesiredConfiguration {
  @Field(() => Int, { description: "0 before the first one is set; one more with each." })
  readonly version!: number;

  @Field(() => JsonObject)
  readonly config!: JsonObjectValue;

  @Field(() => DateTime, { nullable: true })
  readonly changedAt?: string;
}

@ObjectType({ description: "The device's last word, which may be about an older version." })
export class ReportedConfiguration {
  @Field(() => Int)
  readonly version!: number;

  @Field(() => ConfigurationStatus)
  readonly status!: "APPLIED" | "FAILED";

  @Field(() => String, { nullable: true })
  readonly error?: string;

  @Field(() => DateTime)
  readonly at!: string;
}

@ObjectType({ description: "What the device should run, and what it says it runs." })
export class Configuration {
  @Field(() => DesiredConfiguration)
  readonly desired!: DesiredConfiguration;

  @Field(() => ReportedConfiguration, { nullable: true })
  readonly reported?: ReportedConfiguration;

  @Field(() => ConfigurationStatus, {
    nullable: true,
    description: "How the newest version stands; null before there is one.",
  })
  readonly status?: keyof typeof ConfigurationStatus;
}

@ObjectType({ description: "What is made of a raw value before anything else looks at it: scale × value + offset." })
export class MetricCalibration {
  @Field(() => String)
  readonly metric!: string;

  @Field(() => Float)
  readonly offset!: number;

  @Field(() => Float)
  readonly scale!: number;
}

@ObjectType()
export class Device {
  @Field(() => ID)
  readonly deviceId!: string;

  @Field(() => ID)
  readonly tenantId!: string;

  @Field(() => String)
  readonly deviceType!: string;

  @Field(() => String, { nullable: true })
  readonly name?: string;

  @Field(() => String, { nullable: true })
  readonly description?: string;

  @Field(() => String, { nullable: true })
  readonly manufacturer?: string;

  @Field(() => String, { nullable: true })
  readonly model?: string;

  @Field(() => String, { nullable: true })
  readonly firmwareVersion?: string;

  @Field(() => DeviceStatus)
  readonly status!: Status;

  @Field(() => Location, { nullable: true })
  readonly location?: Location;

  @Field(() => JsonObject, { nullable: true })
  readonly metadata?: JsonObjectValue;

  @Field(() => ID, { name: "gatewayId", nullable: true, description: "The device that may speak for this one." })
  readonly gateway?: string;

  @Field(() => Connectivity)
  readonly connectivity!: Connectivity;

  @Field(() => Int, { description: "The number of the last event shown: it grows with every change." })
  readonly revision!: number;

  @Field(() => DateTime, {
    nullable: true,
    description:
      "Set when this is the past: the moment it is shown as of. Then lastSeen, gateway, latestTelemetry and alerts, which are of today, are null.",
  })
  readonly asOf?: Date;

  @Field(() => DateTime)
  readonly createdAt!: string;

  @Field(() => DateTime)
  readonly updatedAt!: string;
}

@ObjectType({ description: "A fact in the device's history, as it was stored." })
export class DeviceEvent {
  @Field(() => ID)
  readonly id!: string;

  @Field(() => String)
  readonly type!: string;

  @Field(() => Int, { description: "Its number in the device's history, from 0." })
  readonly revision!: number;

  @Field(() => DateTime)
  readonly occurredAt!: string;

  @Field(() => String, { description: "user:{subject}, device:{id} or system:{part}." })
  readonly actor!: string;

  @Field(() => ID)
  readonly commandId!: string;

  @Field(() => ID)
  readonly correlationId!: string;

  @Field(() => Json, { description: "What happened. A credential's hash is left out." })
  readonly data!: unknown;
}

export const DeviceConnection = connectionType("Device", Device);
export const DeviceEventConnection = connectionType("DeviceEvent", DeviceEvent);
