import type { DeviceTypeEvent, MetricDefinition, PayloadCodec } from "./events.js";

export interface DeviceTypeState {
  /** 0 before the type is first defined. */
  readonly version: number;
  readonly metrics: readonly MetricDefinition[];
  readonly codec?: PayloadCodec;
  readonly reportEvery?: number;
}

export const initialState: DeviceTypeState = { version: 0, metrics: [] };

export function evolve(_state: DeviceTypeState, event: DeviceTypeEvent): DeviceTypeState {
  switch (event.type) {
    case "DeviceTypeDefined": {
      const { tenantId: _tenant, deviceType: _type, ...definition } = event.data;
      return definition;
    }
  }
}
