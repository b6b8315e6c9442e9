/**
 * Computes windows from what lies below them and writes them: minutes from the readings, hours from minutes, days from
 * hours. Always whole windows and always from everything that is stored, so that doing it twice changes nothing and a
 * late reading comes out exact. InfluxDB aggregates; what comes back is streamed, never held.
 */
import type { Influx } from "../../engines/influx.js";
import type { InfluxQl, Series } from "../telemetry/influxql.js";
import { createInfluxQl, ofDevice, text, within } from "../telemetry/influxql.js";
import { createInfluxStore } from "../writer/influx-store.js";
import { MEASUREMENT, metricOf } from "../writer/line-protocol.js";
import { levels } from "./levels.js";
import type { Level } from "./levels.js";
import { ROLLUP_FIELDS, aggregateOf, toRollupLine } from "./point.js";
import { rawAggregates } from "./raw-aggregates.js";
import type { RollupPoint } from "./point.js";

export interface Span {
  readonly from: number;
  readonly to: number;
}

/** What late readings have changed: these fields of this device, in these windows of a minute. */
export interface DeviceSpan extends Span {
  readonly tenant: string;
  readonly device: string;
  readonly fields: readonly string[];
}

/** All reject with what InfluxDB failed with; all may be tried again. */
export interface RollupStore {
  /** Every window of the level in the span, for every device. Gives how many points it wrote. */
  roll(level: Level, span: Span, signal: AbortSignal): Promise<number>;
  /** Points that were computed elsewhere. */
  write(level: Level, points: readonly RollupPoint[]): Promise<number>;
  /** Some devices' windows, level by level as the caller asks; spans are whole windows of the level. */
  correct(level: Level, spans: readonly DeviceSpan[], signal: AbortSignal): Promise<number>;
  /** The time of the oldest reading that there is, or that is no older than `from`; ms. */
  oldest(from?: number): Promise<number | undefined>;
}

/** Each field costs a look at every series: many at once would hold InfluxDB up for others. */
const FIELDS_A_QUERY = 16;
const STATEMENTS_A_REQUEST = 50;
const LINES_A_WRITE = 5_000;

export function createRollupStore(influx: Influx): RollupStore {
  const ql = createInfluxQl(influx);
  const write = createLineSink(influx);

  async function* points(statement: string, fields: readonly string[], signal: AbortSignal) {
    for await (const series of ql.stream(statement, { signal })) yield* pointsOf(series, fields);
  }

  return {
    async roll(level, span, signal) {
      if (level !== "MINUTE") {
        const from = levels[level === "HOUR" ? "MINUTE" : "HOUR"].measurement;
        const statement = `SELECT ${ROLLUP_FIELDS} FROM ${from} WHERE ${within(span)} GROUP BY "tenant_id", "device_id", "sensor_type", time(${levels[level].ms}ms) fill(none)`;
        return write(level, points(statement, [], signal));
      }
      let written = 0;
      for (const fields of chunks(await numericFields(ql), FIELDS_A_QUERY)) {
        const statement = `SELECT ${rawAggregates(fields)} FROM ${MEASUREMENT} WHERE ${within(span)} GROUP BY "tenant_id", "device_id", time(${levels.MINUTE.ms}ms) fill(none)`;
        written += await write(level, points(statement, fields, signal));
      }
      return written;
    },

    async correct(level, spans, signal) {
      let written = 0;
      for (const some of chunks(spans, STATEMENTS_A_REQUEST)) {
        const answers = await ql.ask(
          some.map((span) => correction(level, span)),
          { signal },
        );
        const found = answers.flatMap(({ series = [] }, index) => {
          const span = some[index];
          if (span === undefined) return [];
          const { tenant, device } = span;
          return series.flatMap((one) => [
            ...pointsOf({ ...one, tags: { ...one.tags, tenant_id: tenant, device_id: device } }, span.fields),
          ]);
        });
        written += await write(level, found);
      }
      return written;
    },

    write,

    async oldest(from) {
      const where = from === undefined ? "" : ` WHERE time >= ${from}ms`;
      const [answer] = await ql.ask([`SELECT * FROM ${MEASUREMENT}${where} ORDER BY time ASC LIMIT 1`]);
      const time = answer?.series?.[0]?.values[0]?.[0];
      return typeof time === "number" ? time : undefined;
    },
  };
}

function correction(level: Level, span: DeviceSpan): string {
  const where = `${ofDevice(span.tenant, span.device)} AND ${within(span)}`;
  const by = `time(${levels[level].ms}ms) fill(none)`;
  if (level === "MINUTE") {
    return `SELECT ${rawAggregates(span.fields)} FROM ${MEASUREMENT} WHERE ${where} GROUP BY ${by}`;
  }
  const from = levels[level === "HOUR" ? "MINUTE" : "HOUR"].measurement;
  const metrics = span.fields.map((field) => `"sensor_type"::tag = ${text(metricOf(field))}`).join(" OR ");
  return `SELECT ${ROLLUP_FIELDS} FROM ${from} WHERE ${where} AND (${metrics}) GROUP BY "sensor_type", ${by}`;
}

/** Of the readings where `fields` are given, four columns for each; of a rollup where they are not. */
function* pointsOf(series: Series, fields: readonly string[]): Generator<RollupPoint> {
  const { tenant_id: tenant = "", device_id: device = "", sensor_type: type } = series.tags ?? {};
  if (tenant === "" || device === "") return;
  const metrics = type === undefined ? fields.map(metricOf) : [type];
  for (const [start, ...cells] of series.values) {
    if (typeof start !== "number") continue;
    for (const [index, metric] of metrics.entries()) {
      const aggregate = aggregateOf(cells.slice(index * 4, index * 4 + 4));
      if (aggregate !== undefined) yield { tenant, device, metric, start, ...aggregate };
    }
  }
}

/** Names of the fields that hold numbers, whoever writes them: InfluxDB does not say whose they are. */
async function numericFields(ql: InfluxQl): Promise<readonly string[]> {
  const [answer] = await ql.ask([`SHOW FIELD KEYS FROM ${MEASUREMENT}`]);
  return (answer?.series?.[0]?.values ?? []).flatMap(([field, type]) =>
    typeof field === "string" && (type === "float" || type === "integer") ? [field] : [],
  );
}

type Points = AsyncIterable<RollupPoint> | Iterable<RollupPoint>;

function createLineSink(influx: Influx): (level: Level, points: Points) => Promise<number> {
  const store = createInfluxStore(influx);
  return async (level, points) => {
    let lines: string[] = [];
    let written = 0;
    const flush = async (): Promise<void> => {
      const full = lines;
      const refused = await store.write({ count: full.length, body: () => full.join("\n"), each: () => full });
      // Our own lines: a refusal is a defect here, and trying again would not mend it.
      const [first] = refused;
      if (first !== undefined) throw new Error(`a rollup is refused: ${first.reason}`);
      written += lines.length;
      lines = [];
    };
    for await (const point of points) {
      const line = toRollupLine(level, point);
      if (line !== undefined) lines.push(line);
      if (lines.length >= LINES_A_WRITE) await flush();
    }
    if (lines.length > 0) await flush();
    return written;
  };
}

export function* chunks<T>(all: readonly T[], size: number): Generator<readonly T[]> {
  for (let index = 0; index < all.length; index += size) yield all.slice(index, index + size);
}
