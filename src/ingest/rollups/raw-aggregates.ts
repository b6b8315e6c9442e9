import { name } from "../telemetry/influxql.js";

/** In the order that `aggregateOf` reads, four columns a field. */
export function rawAggregates(fields: readonly string[]): string {
  return fields
    .map((field) => `${name(field)}::field`)
    .map((field) => `count(${field}), sum(${field}), min(${field}), max(${field})`)
    .join(", ");
}
