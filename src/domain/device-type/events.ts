import type { DomainEvent } from "../decider.js";
import type { DeviceTypeId, TenantId } from "../ids.js";

export type MetricKind = "number" | "string" | "boolean";

/** One thing that devices of a type measure. `min` and `max` bound what is physically possible, both inclusive. */
export interface MetricDefinition {
  readonly name: string;
  readonly kind: MetricKind;
  /** As UCUM writes it: `Cel`, `%`, `kPa`. */
  readonly unit?: string;
  readonly min?: number;
  readonly max?: number;
}

export type DeviceTypeDefined = DomainEvent<
  "DeviceTypeDefined",
  {
    readonly tenantId: TenantId;
    readonly deviceType: DeviceTypeId;
    readonly version: number;
    readonly metrics: readonly MetricDefinition[];
  }
>;

export type DeviceTypeEvent = DeviceTypeDefined;
