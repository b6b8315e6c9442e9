import type { DeviceTypeEvent, MetricDefinition } from "./events.js";

export interface DeviceTypeState {
  /** 0 before the type is first defined. */
  readonly version: number;
  readonly metrics: readonly MetricDefinition[];
}

export const initialState: DeviceTypeState = { version: 0, metrics: [] };

export function evolve(_state: DeviceTypeState, event: DeviceTypeEvent): DeviceTypeState {
  switch (event.type) {
    case "DeviceTypeDefined":
      return { version: event.data.version, metrics: event.data.metrics };
  }
}
