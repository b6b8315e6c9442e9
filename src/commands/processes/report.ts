/** What a device said of itself, as the doors put it into FLEETLOG_REPORTS. They have checked it; what is checked here is that it is ours. */
import { z } from "zod";
import type { JsMsg } from "nats";
import type { JsonObject } from "../../domain/json.js";

export interface Origin {
  readonly tenantId: string;
  readonly deviceId: string;
  /** When JetStream took it, ms since the epoch. */
  readonly at: number;
}

export interface ConfigReport extends Origin {
  readonly kind: "config";
  readonly version: number;
  readonly status: "applied" | "failed";
  readonly error?: string | undefined;
}

export interface HealthReport extends Origin {
  readonly kind: "health";
  readonly report: JsonObject;
}

export interface PresenceReport extends Origin {
  readonly kind: "presence";
  readonly online: boolean;
  readonly session: string;
  readonly reason?: "disconnected" | "connection-lost" | undefined;
}

export type Report = ConfigReport | HealthReport | PresenceReport;

const configBody = z.object({
  version: z.number(),
  status: z.enum(["applied", "failed"]),
  error: z.string().optional(),
});
const presenceBody = z.object({
  online: z.boolean(),
  at: z.number(),
  session: z.string(),
  reason: z.enum(["disconnected", "connection-lost"]).optional(),
});
const healthBody = z.record(z.string(), z.json());

/** `fleetlog-reports.{kind}.{tenant}.{device}` */
export function originOf(message: JsMsg): Origin & { readonly kind: string } {
  const [, kind = "", tenantId = "", deviceId = ""] = message.subject.split(".");
  return { kind, tenantId, deviceId, at: Math.floor(message.info.timestampNanos / 1_000_000) };
}

/** Throws when it is not of a form known here. */
export function readReport(message: JsMsg): Report {
  const { kind, ...origin } = originOf(message);
  // Not `message.json()`: its error is that of a NATS that is away, and what is no JSON never will be.
  const body: unknown = JSON.parse(message.string());
  switch (kind) {
    case "config":
      return { ...origin, kind, ...configBody.parse(body) };
    case "presence":
      return { ...origin, kind, ...presenceBody.parse(body) };
    case "health": {
      const { at: _at, ...report } = healthBody.parse(body);
      return { ...origin, kind, report };
    }
    default:
      throw new Error(`reports of the kind "${kind}" are not known`);
  }
}
