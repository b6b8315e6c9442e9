/**
 * Writing lines so that the answer means something. The client's own retries and automatic flushes lose data without a
 * word (a failed flush is forgotten by the next, a full buffer drops its oldest): here every write is one request, and its outcome is the caller's.
 */
import { HttpError } from "@influxdata/influxdb-client";
import type { WriteApi } from "@influxdata/influxdb-client";
import type { Influx } from "../../engines/influx.js";
import { messageOf } from "../../platform/errors.js";

/** The index of a line that InfluxDB refuses for good, with its reason. */
export interface GuiltyLine {
  readonly index: number;
  readonly reason: string;
}

export interface InfluxStore {
  /**
   * Resolves once every line is stored or known to be refused for good; the refused ones are the result.
   * Rejects when nothing can be said of the lines: try them all again.
   */
  write(lines: readonly string[]): Promise<readonly GuiltyLine[]>;
}

export function createInfluxStore(influx: Influx): InfluxStore {
  const { client, org, bucket, token } = influx;
  const api: WriteApi = client.getWriteApi(org, bucket, "ns", {
    maxRetries: 0,
    flushInterval: 0,
    // A batch goes in as one record, so neither bound is reached and no flush but ours happens.
    batchSize: 2,
    maxBatchBytes: 1024 ** 3,
    // Loopback and data centres: compressing costs more than sending.
    gzipThreshold: Number.MAX_SAFE_INTEGER,
    writeFailed: rethrow,
  });
  if (token === undefined) api.path = `/write?db=${encodeURIComponent(bucket)}&precision=ns`;

  async function send(lines: readonly string[]): Promise<void> {
    api.writeRecord(lines.join("\n"));
    await api.flush();
  }

  /** Halves until the guilty stand alone. Lines that are written twice land on themselves. */
  async function bisect(lines: readonly string[], from: number, guilty: GuiltyLine[]): Promise<void> {
    try {
      await send(lines);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      if (lines.length === 1) {
        guilty.push({ index: from, reason: reasonOf(error) });
        return;
      }
      const middle = Math.ceil(lines.length / 2);
      await bisect(lines.slice(0, middle), from, guilty);
      await bisect(lines.slice(middle), from + middle, guilty);
    }
  }

  return {
    async write(lines) {
      const guilty: GuiltyLine[] = [];
      if (lines.length > 0) await bisect(lines, 0, guilty);
      return guilty;
    },
  };
}

/** Makes the failure the flush's outcome; left to itself the client would also print it. */
async function rethrow(error: Error): Promise<void> {
  throw error;
}

/** The request's contents are at fault, so the same request would fail for ever. Anything else may pass. */
function isRefusal(error: unknown): error is HttpError {
  return error instanceof HttpError && [400, 413, 422].includes(error.statusCode);
}

function reasonOf(error: HttpError): string {
  const json = error.json as { readonly error?: string; readonly message?: string } | null | undefined;
  const said = json?.error ?? json?.message ?? error.body ?? messageOf(error);
  return `InfluxDB refused it: ${said.trim().slice(0, 500)}`;
}
