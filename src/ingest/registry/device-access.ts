import { createHash, timingSafeEqual } from "node:crypto";
import type { Calibration, DeviceStatus } from "../../domain/device/index.js";
import type { MetricDefinition, PayloadCodec } from "../../domain/device-type/index.js";
import type { DeviceId, DeviceTypeId, TenantId } from "../../domain/ids.js";
import type { TenantLimits } from "../../domain/tenant/index.js";
import type { DeviceConfiguration, DeviceCredential, DeviceDocument } from "../../projections/index.js";

/** What the doors need of a device: may it speak, what may it say, what does it still owe. Replaced whole on a change. */
export interface DeviceAccess {
  readonly tenantId: TenantId;
  readonly deviceId: DeviceId;
  readonly deviceType: DeviceTypeId;
  readonly site?: string;
  readonly status: DeviceStatus;
  readonly credentials: readonly DeviceCredential[];
  readonly configuration: DeviceConfiguration;
  /** Shared by all devices of the type, so that a new version of it is in force for all of them at once. */
  readonly type: TypeAccess;
  /** The device that may speak for this one. */
  readonly gateway?: DeviceId;
  /** By metric name: what is made of a raw value before anything else looks at it. */
  readonly calibration?: Readonly<Record<string, Calibration>>;
  /** Shared by all devices of the tenant. */
  readonly tenant?: TenantAccess;
  /** The revision of the document that this was made from. */
  readonly revision: number;
}

/** Changed in place, as the tenant is. */
export interface TenantAccess {
  readonly limits?: TenantLimits | undefined;
}

/** Changed in place, as the type is. */
export interface TypeAccess {
  /** By name. `undefined` while the tenant has not defined the type: then any metric is taken. */
  readonly metrics: ReadonlyMap<string, MetricDefinition> | undefined;
  /** How devices of the type write their telemetry, where a message does not say; JSON when the type says nothing. */
  readonly codec?: PayloadCodec | undefined;
  /** Seconds between two readings of a device in good health; a longer silence is a gap. */
  readonly reportEvery?: number | undefined;
}

export function accessOf(document: DeviceDocument, type: TypeAccess, tenant: TenantAccess = {}): DeviceAccess {
  const { tenantId, deviceId, deviceType, status, credentials, configuration, revision } = document;
  const { gateway, calibration, location } = document;
  const site = location?.site;
  return {
    tenantId,
    deviceId,
    deviceType,
    status,
    credentials,
    configuration,
    type,
    tenant,
    revision,
    ...(site === undefined ? {} : { site }),
    ...(gateway === undefined ? {} : { gateway }),
    ...(calibration === undefined ? {} : { calibration: lookup(calibration) }),
  };
}

/** Without the names that every object has: a metric may be called "constructor". */
function lookup<T>(entries: Readonly<Record<string, T>>): Readonly<Record<string, T>> {
  return Object.assign(Object.create(null) as Record<string, T>, entries);
}

/** The states in which a device's messages are taken. */
export function maySpeak(access: DeviceAccess): boolean {
  return access.status === "ACTIVE" || access.status === "MAINTENANCE";
}

/** Whether the configuration that the device last applied is older than the one it should have. */
export function owesConfiguration({ configuration }: DeviceAccess): boolean {
  const { version, reported } = configuration;
  if (version === 0) return false;
  return reported === undefined || reported.version < version || reported.status !== "APPLIED";
}

export type LoginRefusal = "unknown-device" | "wrong-key" | "expired-key" | "revoked-key" | "not-active";

export type Login =
  | { readonly ok: true; readonly access: DeviceAccess; readonly credentialId: string }
  | {
      readonly ok: false;
      readonly reason: LoginRefusal;
      readonly code: "UNAUTHENTICATED" | "FORBIDDEN";
      readonly message: string;
    };

/** Says the same of an unknown device and of a wrong key: nobody learns from us which devices exist. */
const BAD_CREDENTIALS =
  'no device with this name and key: log in as "{tenant}/{device}" with an API key that is neither revoked nor expired';

/** `reason` is for our log and metrics; the caller is told `code` and `message` only. */
export function login(access: DeviceAccess | undefined, key: Buffer | string, now: number): Login {
  const hash = createHash("sha256").update(key).digest();
  if (access === undefined) return refuse("unknown-device");
  const match = access.credentials.find((credential) => sameHash(credential.hash, hash));
  if (match === undefined) return refuse("wrong-key");
  if (match.revokedAt !== undefined) return refuse("revoked-key");
  if (!isUsable(match, now)) return refuse("expired-key");
  if (!maySpeak(access)) {
    const message = `device ${access.deviceId} is ${access.status}: only an ACTIVE device, or one in MAINTENANCE, may speak`;
    return { ok: false, reason: "not-active", code: "FORBIDDEN", message };
  }
  return { ok: true, access, credentialId: match.credentialId };
}

/** Whether the credential that a live connection logged in with still opens the door. */
export function stillWelcome(access: DeviceAccess, credentialId: string, now: number): boolean {
  if (!maySpeak(access)) return false;
  const credential = access.credentials.find((one) => one.credentialId === credentialId);
  return credential !== undefined && isUsable(credential, now);
}

function isUsable(credential: DeviceCredential, now: number): boolean {
  if (credential.revokedAt !== undefined) return false;
  return credential.expiresAt === undefined || Date.parse(credential.expiresAt) > now;
}

function sameHash(hex: string, hash: Buffer): boolean {
  const expected = Buffer.from(hex, "hex");
  return expected.length === hash.length && timingSafeEqual(expected, hash);
}

function refuse(reason: LoginRefusal): Login {
  return { ok: false, reason, code: "UNAUTHENTICATED", message: BAD_CREDENTIALS };
}
