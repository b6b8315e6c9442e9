/** A device type's .proto text, checked when the type is defined, as a plan by which payloads are read without looking at the schema again. */
import protobuf from "protobufjs";
import { isMetricName } from "../../domain/metric.js";
import { messageOf } from "../../platform/errors.js";

export type Compiled = { readonly type: protobuf.Type; readonly plan: Plan } | { readonly problem: string };

export interface Plan {
  readonly time: { readonly name: string; readonly kind: "ms" | "timestamp" } | undefined;
  readonly readings: { readonly name: string; readonly plan: Plan } | undefined;
  readonly fields: readonly Field[];
}

interface Named {
  readonly name: string;
  /** Whether a message can say that the field is missing. */
  readonly presence: boolean;
  readonly defaultValue: unknown;
}

export type Field =
  | (Named & { readonly kind: "scalar" | "long" })
  | (Named & { readonly kind: "enum"; readonly names: Readonly<Record<number, string>> })
  | (Named & { readonly kind: "message"; readonly fields: readonly Field[] });

const MAX_SCHEMA_BYTES = 64 * 1024;
const MAX_FIELDS = 256;
const MAX_DEPTH = 4;
const TIMESTAMP = "google/protobuf/timestamp.proto";

class Problem extends Error {}

/** Never throws. */
export function compileSchema(schema: string, message: string): Compiled {
  if (Buffer.byteLength(schema) > MAX_SCHEMA_BYTES) {
    return { problem: `it has more than ${MAX_SCHEMA_BYTES} bytes: leave out what payloads do not need` };
  }
  try {
    // Names stay as they are written; the library would make them camelCase.
    const { root, imports } = protobuf.parse(schema, new protobuf.Root(), { keepCase: true });
    for (const file of imports ?? []) {
      if (file !== TIMESTAMP) throw new Problem(`it imports ${JSON.stringify(file)}: put everything into one text`);
      const { nested } = protobuf.common.get(TIMESTAMP) ?? {};
      if (nested !== undefined) root.addJSON(nested);
    }
    const type = typeNamed(root, message);
    root.resolveAll();
    const plan = planOf(type, { isTop: true, path: message });
    // Has its decoder made now, and not with the first message.
    type.setup();
    return { type, plan };
  } catch (error) {
    if (error instanceof Problem) return { problem: error.message };
    return { problem: `it cannot be read: ${messageOf(error)}` };
  }
}

function typeNamed(root: protobuf.Root, message: string): protobuf.Type {
  const found = root.lookup(message);
  if (found instanceof protobuf.Type) return found;
  throw new Problem(`it has no message ${JSON.stringify(message)}: name one of its messages`);
}

interface Place {
  readonly isTop: boolean;
  readonly path: string;
}

function planOf(type: protobuf.Type, { isTop, path }: Place): Plan {
  const time = type.fieldsArray.find(({ name }) => name === "ts" || name === "timestamp");
  const readings = isTop ? type.fieldsArray.find(({ name }) => name === "readings") : undefined;
  const rest = type.fieldsArray.filter((field) => field !== time && field !== readings);
  const counted = { left: MAX_FIELDS };
  const fields = rest.map((field) => fieldOf(field, `${path}.${field.name}`, field.name, [type], counted));
  if (readings === undefined) {
    if (fields.length === 0) throw new Problem(`${path} has no field that could be a metric`);
    return { time: time === undefined ? undefined : timeOf(time, path), readings: undefined, fields };
  }
  const { resolvedType } = readings;
  if (!readings.repeated || !(resolvedType instanceof protobuf.Type)) {
    throw new Problem(`${path}.readings is not a repeated message: call it something else`);
  }
  if (fields.length > 0) {
    throw new Problem(
      `${path}.${fields[0]?.name ?? ""} stands beside readings: move it into them, or leave it out of the schema, and it is passed over`,
    );
  }
  return {
    time: time === undefined ? undefined : timeOf(time, path),
    readings: { name: readings.name, plan: planOf(resolvedType, { isTop: false, path: `${path}.readings` }) },
    fields: [],
  };
}

const LONGS = new Set(["int64", "uint64", "sint64", "fixed64", "sfixed64"]);
const NUMBERS = new Set([...LONGS, "double", "float", "int32", "uint32", "sint32", "fixed32", "sfixed32"]);

function timeOf(field: protobuf.Field, path: string): { readonly name: string; readonly kind: "ms" | "timestamp" } {
  const { name, type, repeated, resolvedType } = field;
  if (!repeated && !field.map) {
    if (resolvedType?.fullName === ".google.protobuf.Timestamp") return { name, kind: "timestamp" };
    if (LONGS.has(type) || type === "double") return { name, kind: "ms" };
  }
  throw new Problem(
    `${path}.${name} is the time, and must be a 64-bit integer of milliseconds since 1970 or a google.protobuf.Timestamp`,
  );
}

function fieldOf(
  field: protobuf.Field,
  path: string,
  metric: string,
  within: readonly protobuf.Type[],
  counted: { left: number },
): Field {
  const { name, type, resolvedType } = field;
  counted.left -= 1;
  if (counted.left < 0) throw new Problem(`it has more than ${MAX_FIELDS} fields: leave out what payloads do not need`);
  if (field.repeated || field.map || type === "bytes") {
    const what = field.map ? "a map" : field.repeated ? "repeated" : "of bytes";
    throw new Problem(`${path} is ${what}, which is no metric: leave it out of the schema, and it is passed over`);
  }
  const named = { name, presence: field.hasPresence, defaultValue: field.typeDefault as unknown };
  if (resolvedType instanceof protobuf.Type) {
    if (within.includes(resolvedType) || within.length >= MAX_DEPTH) {
      throw new Problem(
        `${path} is nested deeper than ${MAX_DEPTH} messages, or in itself: leave it out of the schema`,
      );
    }
    const inner = [...within, resolvedType];
    const fields = resolvedType.fieldsArray.map((one) =>
      fieldOf(one, `${path}.${one.name}`, `${metric}.${one.name}`, inner, counted),
    );
    return { ...named, kind: "message", fields };
  }
  if (!isMetricName(metric) || metric === "__proto__") throw new Problem(`${path}: ${metric} is no name for a metric`);
  if (resolvedType instanceof protobuf.Enum) {
    return { ...named, kind: "enum", names: { ...resolvedType.valuesById } };
  }
  if (LONGS.has(type)) return { ...named, kind: "long" };
  if (NUMBERS.has(type) || type === "bool" || type === "string") return { ...named, kind: "scalar" };
  throw new Problem(
    `${path} is of type ${type}, which is no metric: leave it out of the schema, and it is passed over`,
  );
}
