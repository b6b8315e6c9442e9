/** What devices say of themselves: checked here, acted upon by the workflows that read FLEETLOG_REPORTS. */
import { z } from "zod";
import { jsonProblem } from "../../domain/json.js";
import type { JsonObject } from "../../domain/json.js";
import { parseJson } from "./parse-json.js";
import { refusal } from "./refusal.js";
import type { Refusal } from "./refusal.js";

const healthReport = z
  .looseObject({
    /** Percent. */
    battery: z.number().min(0).max(100),
    /** dBm. */
    rssi: z.number().min(-200).max(100),
    /** Seconds. */
    uptime: z.number().min(0),
    firmwareVersion: z.string().min(1).max(50),
    /** Bytes. */
    freeMemory: z.number().min(0),
    errors: z.array(z.string().max(1_024)).max(32),
  })
  .partial();

const configReport = z.strictObject({
  version: z.int().min(1),
  status: z.enum(["applied", "failed"]),
  config: z.record(z.string(), z.json()).optional(),
  error: z.string().max(1_024).optional(),
});

const schemas = { health: healthReport, config: configReport } as const;

export type ReportKind = keyof typeof schemas;

export type ReadReport =
  | { readonly ok: true; readonly body: JsonObject }
  | { readonly ok: false; readonly refusal: Refusal };

const MAX_REPORT_BYTES = 64 * 1024;

export function readReport(kind: ReportKind, payload: Buffer): ReadReport {
  if (payload.length > MAX_REPORT_BYTES) {
    return refused(
      "PAYLOAD_TOO_LARGE",
      `a ${kind} report has at most ${MAX_REPORT_BYTES} bytes, not ${payload.length}`,
    );
  }
  const parsed = parseJson(payload);
  if (!parsed.ok) return parsed;
  if (typeof parsed.value !== "object" || parsed.value === null || Array.isArray(parsed.value)) {
    return refused("MALFORMED_PAYLOAD", `a ${kind} report is a JSON object`);
  }
  // Before anything walks it: what is deeper than the stack would end the process, and every connection with it.
  const problem = jsonProblem(parsed.value);
  if (problem !== undefined) return refused("INVALID_VALUE", `a ${kind} report ${problem}`);
  const checked = schemas[kind].safeParse(parsed.value);
  if (checked.success) return { ok: true, body: checked.data as JsonObject };
  const [issue] = checked.error.issues;
  const path = issue === undefined || issue.path.length === 0 ? "the report" : issue.path.join(".");
  return refused("INVALID_VALUE", `${path}: ${issue?.message ?? "is not valid"}`);
}

function refused(code: "PAYLOAD_TOO_LARGE" | "MALFORMED_PAYLOAD" | "INVALID_VALUE", message: string): ReadReport {
  return { ok: false, refusal: refusal(code, message) };
}
