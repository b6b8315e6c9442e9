/** Reading a command's fields, with the server's own errors for those that are wrong, unknown or not supported. */
import type { Document } from "../semantics/bson.js";
import { CommandError } from "../semantics/errors.js";
import { isPlainObject, numberOf } from "../semantics/values.js";
import type { SortField } from "../storage/planner.js";

/** What any command may carry. */
const common = new Set([
  "$db",
  "lsid",
  "$clusterTime",
  "$readPreference",
  "readConcern",
  "writeConcern",
  "maxTimeMS",
  "comment",
  "apiVersion",
  "apiStrict",
  "apiDeprecationErrors",
  "txnNumber",
]);

/** Known to the real server, not to this one: refused by name, never ignored. */
const unsupported = new Set([
  "collation",
  "let",
  "tailable",
  "awaitData",
  "oplogReplay",
  "min",
  "max",
  "returnKey",
  "showRecordId",
  "capped",
  "timeseries",
  "validator",
  "viewOn",
  "pipelineOptions",
  "encryptionInformation",
  "clusteredIndex",
  "expireAfterSeconds",
]);

/** Throws for a field that the command does not have, or that this store does not do. */
export function checkFields(command: string, body: Document, allowed: ReadonlySet<string>): void {
  for (const [field, value] of Object.entries(body) as [string, unknown][]) {
    if (field === command || common.has(field) || allowed.has(field)) continue;
    if (!unsupported.has(field)) {
      throw new CommandError(40415, `BSON field '${command}.${field}' is an unknown field.`);
    }
    if (value !== false && value !== null) {
      throw new CommandError(238, `the option '${field}' of ${command} is not supported by this store`);
    }
  }
}

/** Sessions are accepted and mean nothing; transactions are refused as every standalone server refuses them. */
export function refuseTransactions(body: Document): void {
  if ("startTransaction" in body || "autocommit" in body || "txnNumber" in body) {
    throw new CommandError(20, "Transaction numbers are only allowed on a replica set member or mongos");
  }
}

export function checkConcerns(body: Document): void {
  const write: unknown = body["writeConcern"];
  const w = isPlainObject(write) ? numberOf(write["w"]) : undefined;
  if (w !== undefined && w > 1) {
    throw new CommandError(2, "cannot use 'w' > 1 when a host is not replicated");
  }
  const read: unknown = body["readConcern"];
  if (isPlainObject(read) && (read["level"] === "snapshot" || read["level"] === "linearizable")) {
    throw new CommandError(72, `the read concern '${read["level"]}' is not supported by this store`);
  }
}

function wrongType(field: string, expected: string): CommandError {
  return new CommandError(14, `BSON field '${field}' is the wrong type, expected type '${expected}'`);
}

/** A whole number, 0 or more. */
export function countOf(body: Document, field: string): number | undefined {
  const value: unknown = body[field];
  if (value === undefined || value === null) return undefined;
  const number = numberOf(value);
  if (number === undefined) throw wrongType(field, "long");
  if (number < 0) {
    throw new CommandError(51024, `BSON field '${field}' value must be >= 0, actual value '${number}'`);
  }
  return Math.trunc(number);
}

export function flagOf(body: Document, field: string, unset = false): boolean {
  const value: unknown = body[field];
  if (value === undefined || value === null) return unset;
  if (typeof value === "boolean") return value;
  const number = numberOf(value);
  if (number === undefined) throw wrongType(field, "bool");
  return number !== 0;
}

export function documentOf(body: Document, field: string): Document | undefined {
  const value: unknown = body[field];
  if (value === undefined || value === null) return undefined;
  if (!isPlainObject(value)) throw wrongType(field, "object");
  return value;
}

export function documentsOf(body: Document, field: string): readonly Document[] | undefined {
  const value: unknown = body[field];
  if (value === undefined || value === null) return undefined;
  if (!Array.isArray(value) || !value.every(isPlainObject)) throw wrongType(field, "array");
  return value;
}

export function required<T>(value: T | undefined, command: string, field: string): T {
  if (value === undefined) {
    throw new CommandError(40414, `BSON field '${command}.${field}' is missing but a required field`);
  }
  return value;
}

export function textOf(body: Document, field: string): string {
  const value: unknown = body[field];
  if (typeof value !== "string") throw wrongType(field, "string");
  return value;
}

/** The collection that the command's own field names, as `database.collection`. */
export function namespaceOf(body: Document, command: string): string {
  const name = textOf(body, command);
  const namespace = `${textOf(body, "$db")}.${name}`;
  if (name === "" || name.includes("$") || name.includes("\u0000") || name.startsWith(".")) {
    throw new CommandError(73, `Invalid namespace specified '${namespace}'`);
  }
  return namespace;
}

export function sortOf(body: Document, field = "sort"): readonly SortField[] {
  return Object.entries(documentOf(body, field) ?? {}).map(([path, value]: [string, unknown]) => {
    const direction = numberOf(value);
    if (direction !== 1 && direction !== -1) {
      throw new CommandError(isPlainObject(value) ? 238 : 15975, sortComplaint(path, value));
    }
    return { path, direction };
  });
}

function sortComplaint(path: string, value: unknown): string {
  return isPlainObject(value)
    ? `a sort by $meta ('${path}') is not supported by this store`
    : "$sort key ordering must be 1 (for ascending) or -1 (for descending)";
}
