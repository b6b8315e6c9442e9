/**
 * Protobuf by the schema of the device type: the fields of its message are metrics by their names, those of a message
 * within it `{field}.{name}`. A field `ts` or `timestamp` is the time, in ms since 1970 or as google.protobuf.Timestamp; a
 * repeated message field `readings` holds many reading sets. What the schema does not name is passed over on the wire,
 * as Protobuf has it.
 */
import type { PayloadCodec } from "../../domain/device-type/index.js";
import type { Measurement } from "../measurement.js";
import { messageOf } from "../../platform/errors.js";
import { refusal } from "../pipeline/refusal.js";
import type { Refusal } from "../pipeline/refusal.js";
import { compileSchema } from "./protobuf-schema.js";
import type { Compiled, Field, Plan } from "./protobuf-schema.js";
import { fromLong } from "./integers.js";

type Schema = NonNullable<PayloadCodec["protobuf"]>;

/** Compiled once for a version of the device type, and forgotten with it. */
const compiled = new WeakMap<Schema, Compiled>();

/** Says what is wrong with a schema and the name of its message, in one sentence; `undefined`: payloads can be read by it. */
export function validateProtobufCodec(schema: string, message: string): string | undefined {
  const outcome = compileSchema(schema, message);
  return "problem" in outcome ? outcome.problem : undefined;
}

export function decodeProtobuf(payload: Uint8Array, schema: Schema | undefined): readonly Measurement[] | Refusal {
  if (schema === undefined) {
    return refusal("MALFORMED_PAYLOAD", "the device type has no Protobuf schema: define it with one, or send JSON");
  }
  let plan = compiled.get(schema);
  if (plan === undefined) {
    plan = compileSchema(schema.schema, schema.message);
    compiled.set(schema, plan);
  }
  if ("problem" in plan) return refusal("MALFORMED_PAYLOAD", `the device type's Protobuf schema: ${plan.problem}`);
  if (payload.length === 0 && plan.plan.readings !== undefined) return empty(schema.message);
  let decoded: object;
  try {
    decoded = plan.type.decode(payload);
  } catch (error) {
    return refusal("MALFORMED_PAYLOAD", `the payload is no ${schema.message} in Protobuf: ${messageOf(error)}`);
  }
  const { readings } = plan.plan;
  if (readings === undefined) return [measurementOf(plan.plan, decoded as Values, "", undefined)];
  const values = decoded as Values;
  const items = values[readings.name] as readonly Values[];
  if (items.length === 0) return empty(schema.message);
  const common = timeIn(plan.plan, values);
  return items.map((item, index) => measurementOf(readings.plan, item, `${readings.name}[${index}]`, common));
}

type Values = Readonly<Record<string, unknown>>;

function empty(message: string): Refusal {
  return refusal("MALFORMED_PAYLOAD", `the ${message} holds no readings: send at least one`);
}

function measurementOf(plan: Plan, decoded: Values, path: string, common: unknown): Measurement {
  const values: Record<string, unknown> = {};
  fill(values, plan.fields, decoded, "");
  const timestamp = timeIn(plan, decoded) ?? common;
  const measurement = { values, path, valuesPath: path };
  return timestamp === undefined ? measurement : { ...measurement, timestamp };
}

function fill(values: Record<string, unknown>, fields: readonly Field[], decoded: Values, prefix: string): void {
  for (const field of fields) {
    const isThere = Object.hasOwn(decoded, field.name);
    // Proto3 writes no zeros: where a field cannot say that it is missing, missing is its default.
    if (!isThere && field.presence) continue;
    const value = isThere ? decoded[field.name] : field.defaultValue;
    switch (field.kind) {
      case "scalar":
        values[prefix + field.name] = value;
        break;
      case "long":
        values[prefix + field.name] = fromLong(value);
        break;
      case "enum":
        values[prefix + field.name] = field.names[value as number] ?? String(value);
        break;
      case "message":
        if (isThere) fill(values, field.fields, value as Values, `${prefix}${field.name}.`);
        break;
    }
  }
}

/** `undefined` where the message has none; 0 is none, too, where the field cannot say so. */
function timeIn({ time }: Plan, decoded: Values): number | bigint | undefined {
  if (time === undefined || !Object.hasOwn(decoded, time.name)) return undefined;
  const value = decoded[time.name];
  if (time.kind === "timestamp") {
    const { seconds, nanos } = value as { readonly seconds: unknown; readonly nanos: number };
    return Number(fromLong(seconds)) * 1_000 + Math.floor(nanos / 1e6);
  }
  const ms = fromLong(value);
  return ms === 0 ? undefined : ms;
}
