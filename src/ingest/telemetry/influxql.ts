/**
 * Asking InfluxDB in InfluxQL, because it is what 1.x, 2.x and 3.x all answer on `/query`. What was quoted here cannot
 * break out of its quotes; what InfluxDB says when it refuses stays in the log, since it names addresses and statements.
 */
import type { SendOptions } from "@influxdata/influxdb-client";
import type { Influx } from "../../engines/influx.js";
import { FleetlogError } from "../../platform/errors.js";

export type Cell = number | string | boolean | null;

export interface Series {
  readonly tags?: Readonly<Record<string, string>>;
  readonly columns: readonly string[];
  readonly values: readonly (readonly Cell[])[];
}

export interface Statement {
  readonly series?: readonly Series[];
  readonly error?: string;
}

export interface AskOptions {
  /** `text` gives times as RFC 3339 with all nine digits that there are; numbers cannot hold nanoseconds. Ms when not given. */
  readonly times?: "ms" | "text";
  readonly signal?: AbortSignal | undefined;
}

/** Both throw FleetlogError UNAVAILABLE, with the reason as its cause, and the signal's reason when it is aborted. */
export interface InfluxQl {
  /** Runs statements in one request; the result has one entry for each. */
  ask(statements: readonly string[], options?: AskOptions): Promise<readonly Statement[]>;
  /** The series of one statement as they come, in pieces of at most 5,000 rows: an answer of any size in bounded memory. */
  stream(statement: string, options?: AskOptions): AsyncGenerator<Series>;
}

interface Answer {
  readonly results?: readonly Statement[];
  readonly error?: string;
}

const CHUNK_ROWS = 5_000;

export function createInfluxQl(influx: Influx): InfluxQl {
  const { transport } = influx.client;
  const pathOf = (more: string): string => `/query?db=${encodeURIComponent(influx.bucket)}${more}`;

  return {
    async ask(statements, options = {}) {
      if (statements.length === 0) return [];
      options.signal?.throwIfAborted();
      const body = new URLSearchParams({ q: statements.join(";") }).toString();
      const own = linked(options.signal);
      let answer: Answer;
      try {
        answer = (await transport.request(pathOf(epochOf(options)), body, sending(own.signal))) as Answer;
      } catch (error) {
        options.signal?.throwIfAborted();
        throw noAnswer(error);
      } finally {
        own.unlink();
      }
      const results = answer.results ?? [];
      checkRefusal(answer);
      return results;
    },

    async *stream(statement, options = {}) {
      const body = new URLSearchParams({ q: statement }).toString();
      const path = pathOf(`${epochOf(options)}&chunked=true&chunk_size=${CHUNK_ROWS}`);
      const own = linked(options.signal);
      try {
        for await (const line of linesOf(transport.iterate(path, body, sending(own.signal)))) {
          const answer = JSON.parse(line) as Answer;
          checkRefusal(answer);
          for (const { series } of answer.results ?? []) yield* series ?? [];
        }
      } catch (error) {
        options.signal?.throwIfAborted();
        throw error instanceof FleetlogError ? error : noAnswer(error);
      } finally {
        own.unlink();
      }
      // The client ends an aborted answer as if it were whole.
      options.signal?.throwIfAborted();
    },
  };
}

function epochOf({ times = "ms" }: AskOptions): string {
  return times === "ms" ? "&epoch=ms" : "";
}

function sending(signal: AbortSignal): SendOptions {
  return {
    method: "POST",
    headers: { "content-type": "application/x-www-form-urlencoded", accept: "application/json" },
    signal,
  };
}

/**
 * A signal for one request. The client never takes its listener back, so on the caller's own every request would live,
 * with its answer, as long as that; and AbortSignal.any keeps what has listeners alive just so.
 */
function linked(signal: AbortSignal | undefined): { readonly signal: AbortSignal; unlink(): void } {
  const own = new AbortController();
  const abort = (): void => own.abort(signal?.reason);
  if (signal?.aborted === true) abort();
  signal?.addEventListener("abort", abort, { once: true });
  return { signal: own.signal, unlink: () => signal?.removeEventListener("abort", abort) };
}

async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of chunks) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (line !== "") yield line;
  }
  if (rest !== "") yield rest;
}

function noAnswer(cause: unknown): FleetlogError {
  return new FleetlogError("UNAVAILABLE", "the telemetry store does not answer: try again", {}, { cause });
}

function checkRefusal({ error, results = [] }: Answer): void {
  const failure = error ?? results.find((result) => result.error !== undefined)?.error;
  if (failure === undefined) return;
  throw new FleetlogError(
    "UNAVAILABLE",
    "the telemetry store refuses the query: ask for less, or try again",
    {},
    { cause: new Error(failure) },
  );
}

/** An InfluxQL string. */
export function text(value: string): string {
  return `'${withoutControls(value).replace(/[\\']/gu, "\\$&")}'`;
}

/** An InfluxQL identifier. */
export function name(value: string): string {
  return `"${withoutControls(value).replace(/[\\"]/gu, "\\$&")}"`;
}

/** The points of one tenant. Without `::tag`, because DELETE does not take it. */
export function ofTenant(tenant: string): string {
  return `"tenant_id" = ${text(tenant)}`;
}

/** The points of one device. */
export function ofDevice(tenant: string, device: string): string {
  return `"tenant_id"::tag = ${text(tenant)} AND "device_id"::tag = ${text(device)}`;
}

/** InfluxDB counts nanoseconds in 64 bits, 1677 to 2262: it refuses a statement that names a time beyond. Ms. */
const LAST_TIME = 9_223_372_036_854;

/** From a time, included, to another, which is not; ms. Throws INVALID_VALUE for what is no time. */
export function within({ from, to }: { readonly from: number; readonly to: number }): string {
  if (!Number.isSafeInteger(from) || !Number.isSafeInteger(to)) {
    throw new FleetlogError("INVALID_VALUE", "from and to are whole milliseconds since 1970");
  }
  return `time >= ${storable(from)}ms AND time < ${storable(to)}ms`;
}

/** Nothing is stored beyond, so whoever asks for all times gets what there is. */
function storable(time: number): number {
  return Math.max(-LAST_TIME, Math.min(LAST_TIME, time));
}

/** No id or metric has any, so nothing that exists is missed; and no escape is needed that versions treat differently. */
function withoutControls(value: string): string {
  return value.replace(/[\p{Cc}]/gu, "");
}
