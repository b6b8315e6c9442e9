/** The configuration of the bridge: which topics of the outside broker are whose, and how their payloads are read. */
import { readFileSync } from "node:fs";
import { z } from "zod";
import { isMetricName } from "../../domain/metric.js";
import { FleetlogError, messageOf } from "../../platform/errors.js";
import { formats } from "../codecs/format.js";
import { compilePattern, placesIn } from "./topic-pattern.js";
import type { TopicPattern } from "./topic-pattern.js";

const path = z.string().regex(/^[^.]+(?:\.[^.]+)*$/u, "is a path into the payload, such as data.temperature");
const metric = z.string().refine(isMetricName, "is no metric name");

const ruleSchema = z
  .strictObject({
    topic: z.string(),
    tenant: z.string().min(1).default("{tenant}"),
    device: z.string().min(1).default("{device}"),
    /** What the message is. */
    as: z.enum(["telemetry", "health", "config/reported"]).default("telemetry"),
    /** `device`: as the device's type writes it; `value`: one bare value; `json`: picked out by `metrics`; or a format by name. */
    payload: z.enum(["device", "value", "json", ...formats.filter((format) => format !== "json")]).default("device"),
    /** Of a bare value. */
    metric: z.string().min(1).optional(),
    /** Where the time stands in the JSON; arrival where it does not. */
    timestamp: path.optional(),
    timestampUnit: z.enum(["ms", "s", "iso"]).default("ms"),
    /** Metric name → where it stands in the JSON. Left out: every number, text and truth value of the top level. */
    metrics: z.record(metric, path).optional(),
    /** Name in the payload → metric name. */
    rename: z.record(z.string(), metric).optional(),
  })
  .superRefine((rule, context) => {
    const say = (key: string, message: string): void => context.addIssue({ code: "custom", path: [key], message });
    const pattern = compilePattern(rule.topic);
    if (typeof pattern === "string") {
      say("topic", pattern);
      return;
    }
    for (const key of ["tenant", "device", "metric"] as const) {
      for (const place of placesIn(rule[key] ?? "")) {
        if (!pattern.names.includes(place)) say(key, `uses {${place}}, which the topic does not name`);
      }
    }
    if (rule.payload === "value" && rule.metric === undefined) say("metric", "is missing: a bare value needs a name");
    if (rule.payload !== "value" && rule.metric !== undefined) say("metric", 'is for "payload": "value" only');
    for (const key of ["timestamp", "metrics", "rename"] as const) {
      if (rule.payload !== "json" && rule[key] !== undefined) say(key, 'is for "payload": "json" only');
    }
    if (rule.as !== "telemetry" && rule.payload !== "device") say("payload", `is "device" for ${rule.as}`);
  });

const mappingSchema = z.strictObject({ rules: z.array(ruleSchema).min(1).max(1_000) });

export interface BridgeRule extends z.infer<typeof ruleSchema> {
  readonly pattern: TopicPattern;
}

/** Our own topics, as they are at the front door. */
const ownTopics: z.input<typeof mappingSchema> = {
  rules: [
    { topic: "v1/{tenant}/{device}/telemetry" },
    { topic: "v1/{tenant}/{device}/health", as: "health" },
    { topic: "v1/{tenant}/{device}/config/reported", as: "config/reported" },
  ],
};

/** Throws FleetlogError BAD_REQUEST, with a line for each mistake. */
export function parseMapping(mapping: unknown): readonly BridgeRule[] {
  const parsed = mappingSchema.safeParse(mapping);
  if (!parsed.success) {
    const problems = parsed.error.issues.map(
      ({ path: at, message }) => `  ${at.length === 0 ? "the mapping" : at.join(".")}: ${message}`,
    );
    const count = problems.length === 1 ? "a mistake" : `${problems.length} mistakes`;
    throw new FleetlogError("BAD_REQUEST", `the bridge's mapping has ${count}:\n${problems.join("\n")}`);
  }
  return parsed.data.rules.map((rule) => {
    const pattern = compilePattern(rule.topic);
    if (typeof pattern === "string") throw new Error(`${rule.topic} ${pattern}`);
    return { ...rule, pattern };
  });
}

/** Without a file, our own topics. Throws FleetlogError BAD_REQUEST, naming the setting and each mistake, when there is something wrong with the file. */
export function readMapping(file: string | undefined): readonly BridgeRule[] {
  if (file === undefined) return parseMapping(ownTopics);
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    throw new FleetlogError("BAD_REQUEST", `FLEETLOG_BRIDGE_MAPPING: ${file} cannot be read: ${messageOf(error)}`);
  }
  try {
    return parseMapping(content);
  } catch (error) {
    throw new FleetlogError("BAD_REQUEST", `FLEETLOG_BRIDGE_MAPPING: ${file}: ${messageOf(error)}`);
  }
}
