/**
 * How good a device's data were, hour by hour, counted in InfluxDB from what is stored: the values of each metric, and
 * those among them that have a flag. docs/reference/quality.md has the formula.
 */
import type { Influx } from "../../engines/influx.js";
import { FleetlogError } from "../../platform/errors.js";
import { qualityFlags } from "../pipeline/quality/flags.js";
import type { QualityFlag } from "../pipeline/quality/flags.js";
import { createInfluxQl, name, ofDevice, within } from "./influxql.js";
import type { Statement } from "./influxql.js";
import { fieldOf, MEASUREMENT, QUALITY } from "../writer/line-protocol.js";

export interface QualityQuery {
  /** Those that the device may have sent, by the definition of its type. */
  readonly metrics: readonly string[];
  /** Seconds between two readings of a device in good health, where its type says so. */
  readonly reportEvery?: number;
  /** Ms since the epoch; the hour that it lies in is included. */
  readonly from: number;
  /** Not included. */
  readonly to: number;
}

export interface QualityHour {
  /** Its beginning, ms since the epoch. */
  readonly hour: number;
  /** Values stored, of all metrics together. */
  readonly values: number;
  /** How many values have the flag; a value may have several. Flags that none has are left out. */
  readonly flagged: readonly { readonly flag: QualityFlag; readonly count: number }[];
  /** How many values there should be, of the metrics that the device sends; only where its type says how often. */
  readonly expected?: number;
  /** 0 to 1: the share of the values, of those expected where that is more, that came and are not doubted. */
  readonly score: number;
}

export interface QualityQueries {
  /**
   * The hours of the span, oldest first; those without a value only where values were expected. Throws FleetlogError:
   * PAGE_TOO_LARGE for more than a month, UNAVAILABLE when InfluxDB does not answer.
   */
  hours(tenant: string, device: string, query: QualityQuery): Promise<readonly QualityHour[]>;
}

const HOUR_MS = 3_600_000;
const MAX_HOURS = 31 * 24;
const MAX_METRICS = 256;
/** What makes a value itself doubtful. A late one is as good as any, and a gap is paid for by what is missing in it. */
const DOUBTS = ["range", "spike", "stuck", "clock-skew"] as const satisfies readonly QualityFlag[];
const KINDS = ["number", "string", "boolean"] as const;

type Counts = ReadonlyMap<number, number>;
const none: Counts = new Map();

export function createQualityQueries(influx: Influx, clock: () => number = Date.now): QualityQueries {
  const ql = createInfluxQl(influx);
  const hourly = async (statements: readonly string[]): Promise<readonly Counts[]> =>
    (await ql.ask(statements)).map(countsOf);

  return {
    async hours(tenant, device, { metrics: asked, reportEvery, from: since, to }) {
      const from = Math.floor(since / HOUR_MS) * HOUR_MS;
      if (to - from > MAX_HOURS * HOUR_MS) {
        throw new FleetlogError(
          "PAGE_TOO_LARGE",
          `a query speaks of at most ${MAX_HOURS} hours: ask for a shorter span`,
        );
      }
      const metrics = asked.slice(0, MAX_METRICS);
      const where = `${ofDevice(tenant, device)} AND ${within({ from, to })}`;
      const count = (field: string, condition = ""): string =>
        `SELECT count(${name(field)}::field) FROM ${name(MEASUREMENT)} WHERE ${where}${condition} GROUP BY time(1h) fill(none)`;
      const ofKinds = await hourly(metrics.flatMap((metric) => KINDS.map((kind) => count(fieldOf(metric, kind)))));
      const values = metrics.map((_, index) => sum(ofKinds.slice(index * KINDS.length, (index + 1) * KINDS.length)));
      const sent = metrics.flatMap((metric, index) => {
        const counts = values[index] ?? none;
        return counts.size === 0 ? [] : [{ field: `${metric}${QUALITY}`, counts }];
      });
      const anyFlag = await hourly(sent.map(({ field }) => count(field)));
      const doubtful = sent.filter((_, index) => (anyFlag[index]?.size ?? 0) > 0);
      const patterns = [...qualityFlags.map((flag) => [flag]), DOUBTS];
      const flagged = await hourly(
        doubtful.flatMap(({ field }) =>
          patterns.map((flags) => count(field, ` AND ${name(field)}::field =~ /(^|\\|)(${flags.join("|")})(\\||$)/`)),
        ),
      );
      const ofField = new Map(
        doubtful.map(({ field }, index) => [
          field,
          flagged.slice(index * patterns.length, (index + 1) * patterns.length),
        ]),
      );

      const hours: QualityHour[] = [];
      for (let hour = from; hour < to; hour += HOUR_MS) {
        const end = Math.min(hour + HOUR_MS, to, clock());
        const each =
          reportEvery === undefined ? undefined : Math.floor(Math.max(0, end - hour) / (reportEvery * 1_000));
        const seen = sent.map(({ field, counts }) => ({
          values: counts.get(hour) ?? 0,
          doubted: ofField.get(field)?.at(-1)?.get(hour) ?? 0,
        }));
        const total = seen.reduce((all, one) => all + one.values, 0);
        const should = seen.reduce((all, one) => all + Math.max(one.values, each ?? 0), 0);
        if (should === 0) continue;
        const good = seen.reduce((all, one) => all + one.values - one.doubted, 0);
        hours.push({
          hour,
          values: total,
          flagged: qualityFlags.flatMap((flag, index) => {
            const of = [...ofField.values()].reduce((all, counts) => all + (counts[index]?.get(hour) ?? 0), 0);
            return of === 0 ? [] : [{ flag, count: of }];
          }),
          ...(each === undefined ? {} : { expected: each * seen.length }),
          score: good / should,
        });
      }
      return hours;
    },
  };
}

/** By the hour's beginning. */
function countsOf(statement: Statement): Counts {
  return new Map(
    (statement.series?.[0]?.values ?? []).flatMap(([hour, count]) =>
      typeof hour === "number" && typeof count === "number" && count > 0 ? [[hour, count]] : [],
    ),
  );
}

function sum(all: readonly Counts[]): Counts {
  const total = new Map<number, number>();
  for (const counts of all) for (const [hour, count] of counts) total.set(hour, (total.get(hour) ?? 0) + count);
  return total;
}
