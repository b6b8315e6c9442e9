import type { DomainEvent } from "../decider.js";
import type { DeviceTypeId, TenantId } from "../ids.js";

export type MetricKind = "number" | "string" | "boolean";

/** What makes a value doubtful though it is possible: it is kept, and flagged. */
export interface QualityChecks {
  /** Where values usually lie, both inclusive. */
  readonly expectedMin?: number;
  readonly expectedMax?: number;
  /** The largest believable change, in the metric's unit per second. */
  readonly maxRate?: number;
  /** Seconds after which a value that does not move at all is taken for a stuck sensor. */
  readonly stuckAfter?: number;
}

export const payloadFormats = [
  "json",
  "thingsboard",
  "cbor",
  "senml+json",
  "senml+cbor",
  "protobuf",
  "sparkplug",
] as const;
export type PayloadFormat = (typeof payloadFormats)[number];

/** How devices of a type write telemetry when a message does not say. `protobuf` goes with that format: a .proto text and the name of its message. */
export interface PayloadCodec {
  readonly format: PayloadFormat;
  readonly protobuf?: { readonly schema: string; readonly message: string };
}

/** One thing that devices of a type measure. `min` and `max` bound what is physically possible, both inclusive. */
export interface MetricDefinition {
  readonly name: string;
  readonly kind: MetricKind;
  /** As UCUM writes it: `Cel`, `%`, `kPa`. */
  readonly unit?: string;
  readonly min?: number;
  readonly max?: number;
  readonly quality?: QualityChecks;
}

export type DeviceTypeDefined = DomainEvent<
  "DeviceTypeDefined",
  {
    readonly tenantId: TenantId;
    readonly deviceType: DeviceTypeId;
    readonly version: number;
    readonly metrics: readonly MetricDefinition[];
    readonly codec?: PayloadCodec;
    /** Seconds between two readings of a device in good health; a longer silence is a gap. */
    readonly reportEvery?: number;
  }
>;

export type DeviceTypeEvent = DeviceTypeDefined;
