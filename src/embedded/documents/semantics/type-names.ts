/** `$type` and its names. */
import { bsonType, rawValueOf } from "./bson.js";
import { CommandError } from "./errors.js";
import { missing, numberOf } from "./values.js";

const typeNames: Readonly<Record<string, number>> = {
  double: bsonType.double,
  string: bsonType.string,
  object: bsonType.object,
  array: bsonType.array,
  binData: bsonType.binary,
  undefined: bsonType.undefined,
  objectId: bsonType.objectId,
  bool: bsonType.boolean,
  date: bsonType.date,
  null: bsonType.null,
  regex: bsonType.regex,
  dbPointer: bsonType.dbPointer,
  javascript: bsonType.code,
  symbol: bsonType.symbol,
  javascriptWithScope: bsonType.codeWithScope,
  int: bsonType.int32,
  timestamp: bsonType.timestamp,
  long: bsonType.int64,
  decimal: bsonType.decimal128,
  minKey: bsonType.minKey,
  maxKey: bsonType.maxKey,
};

const numbers = [bsonType.double, bsonType.int32, bsonType.int64, bsonType.decimal128];

function typesOf(operand: unknown): readonly number[] {
  if (operand === "number") return numbers;
  const byNumber = numberOf(operand);
  const type = byNumber === -1 ? bsonType.minKey : (byNumber ?? typeNames[String(operand)]);
  if (type === undefined || !Object.values(typeNames).includes(type)) {
    throw new CommandError(2, `Unknown type name alias: ${String(operand)}`);
  }
  return [type];
}

export function typeMatcher(operand: unknown): (value: unknown) => boolean {
  const types = new Set((Array.isArray(operand) ? operand : [operand]).flatMap(typesOf));
  return (value) => value !== missing && types.has(rawValueOf(value).type);
}
