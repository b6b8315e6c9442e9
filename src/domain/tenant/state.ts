import type { TenantEvent } from "./events.js";

export interface TenantState {
  readonly exists: boolean;
}

export const initialState: TenantState = { exists: false };

export function evolve(_state: TenantState, event: TenantEvent): TenantState {
  switch (event.type) {
    case "TenantCreated":
      return { exists: true };
  }
}
