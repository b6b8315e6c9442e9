import type { DomainEvent } from "../decider.js";
import type { TenantId } from "../ids.js";

export type TenantCreated = DomainEvent<"TenantCreated", { readonly tenantId: TenantId; readonly name: string }>;

/** A token bucket: so many a second in the long run, and so many at once after a quiet time. */
export interface RateLimit {
  readonly perSecond: number;
  readonly burst: number;
}

export interface Limits {
  readonly messages?: RateLimit;
  readonly bytes?: RateLimit;
  readonly connections?: number;
}

/** Where a limit is not given, the platform's default holds. */
export interface TenantLimits {
  /** Of all the tenant's devices together. */
  readonly tenant?: Limits;
  /** Of each of its devices. */
  readonly device?: Limits;
}

/** Carries all limits of the tenant. */
export type TenantLimitsChanged = DomainEvent<"TenantLimitsChanged", { readonly limits: TenantLimits }>;

export const resolutions = ["RAW", "MINUTE", "HOUR", "DAY"] as const;
export type Resolution = (typeof resolutions)[number];

/** Telemetry of this resolution is deleted once it is so many days old; without a metric, that of all metrics that have no rule of their own. */
export interface RetentionRule {
  readonly resolution: Resolution;
  readonly metric?: string;
  readonly days: number;
}

/** Carries all retention rules of the tenant: what no rule speaks of is kept for ever. */
export type RetentionChanged = DomainEvent<"RetentionChanged", { readonly retention: readonly RetentionRule[] }>;

export type TenantEvent = TenantCreated | TenantLimitsChanged | RetentionChanged;
