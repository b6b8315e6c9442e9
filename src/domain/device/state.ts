import type { CredentialId, DeviceId } from "../ids.js";
import type { JsonObject } from "../json.js";
import { withChanges } from "./details.js";
import type { Calibration, DeviceDetails, DeviceEvent } from "./events.js";

export type DeviceStatus = "REGISTERED" | "ACTIVE" | "INACTIVE" | "MAINTENANCE" | "DECOMMISSIONED";

export interface Credential {
  readonly credentialId: CredentialId;
  readonly expiresAt?: string;
}

export interface Unregistered {
  readonly status: "UNREGISTERED";
}

export interface RegisteredDevice {
  readonly status: DeviceStatus;
  readonly deviceId: DeviceId;
  readonly details: DeviceDetails;
  /** Those that are not revoked; expired ones stay until they are. */
  readonly credentials: readonly Credential[];
  readonly revoked: readonly CredentialId[];
  readonly configuration: {
    /** 0 before the first one is set. */
    readonly version: number;
    readonly config: JsonObject;
    readonly reported?: { readonly version: number; readonly status: "APPLIED" | "FAILED"; readonly error?: string };
  };
  readonly calibration: Readonly<Record<string, Calibration>>;
  readonly gatewayId?: DeviceId;
  readonly online: boolean;
}

/** Revoking one of these again is "already so"; of older ones it is said that there is no such credential. */
const REMEMBERED_REVOCATIONS = 64;

export type DeviceState = Unregistered | RegisteredDevice;

export const initialState: DeviceState = { status: "UNREGISTERED" };

export function evolve(state: DeviceState, event: DeviceEvent): DeviceState {
  if (event.type === "DeviceRegistered") {
    const { tenantId: _tenant, deviceId, deviceType: _type, ...details } = event.data;
    return {
      status: "REGISTERED",
      deviceId,
      details,
      credentials: [],
      revoked: [],
      configuration: { version: 0, config: {} },
      calibration: {},
      online: false,
    };
  }
  // A stream begins with DeviceRegistered; anything before it would be a foreign stream, and is not ours to fold.
  return state.status === "UNREGISTERED" ? state : evolveRegistered(state, event);
}

function evolveRegistered(
  state: RegisteredDevice,
  event: Exclude<DeviceEvent, { type: "DeviceRegistered" }>,
): RegisteredDevice {
  switch (event.type) {
    case "DeviceDetailsChanged":
      return { ...state, details: withChanges(state.details, event.data) };
    case "DeviceActivated":
    case "MaintenanceEnded":
      return { ...state, status: "ACTIVE" };
    case "DeviceDeactivated":
      return { ...state, status: "INACTIVE" };
    case "MaintenanceStarted":
      return { ...state, status: "MAINTENANCE" };
    case "DeviceDecommissioned":
      return { ...state, status: "DECOMMISSIONED" };
    case "CredentialIssued": {
      const { credentialId, expiresAt } = event.data;
      const credential = expiresAt === undefined ? { credentialId } : { credentialId, expiresAt };
      return { ...state, credentials: [...state.credentials, credential] };
    }
    case "CredentialRevoked": {
      const { credentialId } = event.data;
      return {
        ...state,
        credentials: state.credentials.filter((credential) => credential.credentialId !== credentialId),
        revoked: [...state.revoked, credentialId].slice(-REMEMBERED_REVOCATIONS),
      };
    }
    case "ConfigurationChanged": {
      const { version, config } = event.data;
      return { ...state, configuration: { ...state.configuration, version, config } };
    }
    case "ConfigurationApplied":
      return {
        ...state,
        configuration: { ...state.configuration, reported: { version: event.data.version, status: "APPLIED" } },
      };
    case "ConfigurationFailed": {
      const { version, error } = event.data;
      return {
        ...state,
        configuration: { ...state.configuration, reported: { version, status: "FAILED", error } },
      };
    }
    case "CalibrationChanged":
      return { ...state, calibration: event.data.calibration };
    case "GatewayAssigned":
      return { ...state, gatewayId: event.data.gatewayId };
    case "GatewayRemoved": {
      const { gatewayId: _former, ...alone } = state;
      return alone;
    }
    case "FirmwareUpdated":
      return { ...state, details: { ...state.details, firmwareVersion: event.data.firmwareVersion } };
    case "DeviceWentOnline":
      return { ...state, online: true };
    case "DeviceWentOffline":
      return { ...state, online: false };
  }
}
