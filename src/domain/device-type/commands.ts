import type { Command } from "../decider.js";
import type { DeviceTypeId, TenantId } from "../ids.js";
import type { MetricDefinition, PayloadCodec } from "./events.js";

/** Defines the type, or its next version. Devices of the type are held to the newest version. */
export type DefineDeviceType = Command<
  "DefineDeviceType",
  {
    readonly tenantId: TenantId;
    readonly deviceType: DeviceTypeId;
    readonly metrics: readonly MetricDefinition[];
    readonly codec?: PayloadCodec;
    readonly reportEvery?: number;
  }
>;

export type DeviceTypeCommand = DefineDeviceType;
