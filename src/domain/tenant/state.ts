import type { RetentionRule, TenantEvent, TenantLimits } from "./events.js";

export interface TenantState {
  readonly exists: boolean;
  readonly limits: TenantLimits;
  readonly retention: readonly RetentionRule[];
}

export const initialState: TenantState = { exists: false, limits: {}, retention: [] };

export function evolve(state: TenantState, event: TenantEvent): TenantState {
  switch (event.type) {
    case "TenantCreated":
      return { ...state, exists: true };
    case "TenantLimitsChanged":
      return { ...state, limits: event.data.limits };
    case "RetentionChanged":
      return { ...state, retention: event.data.retention };
  }
}
