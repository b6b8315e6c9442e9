import type {
  Calibration,
  CredentialType,
  DeviceDetails,
  DeviceStatus,
  OfflineReason,
} from "../../domain/device/index.js";
import type { DeviceId, DeviceTypeId, TenantId } from "../../domain/ids.js";
import type { JsonObject } from "../../domain/json.js";
import type { ReadModelDocument } from "../document.js";

export interface DeviceCredential {
  readonly credentialId: string;
  readonly type: CredentialType;
  /** SHA-256 of the key, hex. Never leaves the platform. */
  readonly hash: string;
  readonly label?: string;
  readonly issuedAt: string;
  readonly expiresAt?: string;
  readonly revokedAt?: string;
}

export interface DeviceConfiguration {
  /** 0 before the first one is set. */
  readonly version: number;
  readonly config: JsonObject;
  readonly changedAt?: string;
  /** How the newest version stands. */
  readonly status?: "PENDING" | "APPLIED" | "FAILED";
  /** The device's last word, which may be about an older version. */
  readonly reported?: {
    readonly version: number;
    readonly status: "APPLIED" | "FAILED";
    readonly error?: string;
    readonly at: string;
  };
}

/** A device as the registry shows it. `_id` is `{tenant}/{device}`. */
export interface DeviceDocument extends ReadModelDocument, DeviceDetails {
  readonly tenantId: TenantId;
  readonly deviceId: DeviceId;
  readonly deviceType: DeviceTypeId;
  readonly status: DeviceStatus;
  readonly credentials: readonly DeviceCredential[];
  readonly configuration: DeviceConfiguration;
  /** By metric name; not there before the first one is set. */
  readonly calibration?: Readonly<Record<string, Calibration>>;
  /** The device that may speak for this one. */
  readonly gateway?: DeviceId;
  readonly connectivity: { readonly online: boolean; readonly since?: string; readonly reason?: OfflineReason };
  readonly createdAt: string;
  readonly updatedAt: string;
}
