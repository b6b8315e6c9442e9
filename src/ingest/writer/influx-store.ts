/**
 * Writing lines so that the answer means something. The client's own write buffer loses data without a word (a failed
 * flush is forgotten by the next, a full buffer drops its oldest), and counts the bytes of each record once more: here every
 * write is one request of the client's transport, and its outcome is the caller's.
 */
import { HttpError } from "@influxdata/influxdb-client";
import type { Influx } from "../../engines/influx.js";
import { messageOf } from "../../platform/errors.js";

/** The index of a line that InfluxDB refuses for good, with its reason. */
export interface GuiltyLine {
  readonly index: number;
  readonly reason: string;
}

export interface Lines {
  /** How many. */
  readonly count: number;
  /** All of them, each ended by a line feed. */
  body(): string;
  /** One by one; asked for when InfluxDB does not take them together. */
  each(): readonly string[];
}

export interface InfluxStore {
  /**
   * Resolves once every line is stored or known to be refused for good; the refused ones are the result.
   * Rejects when nothing can be said of the lines: try them all again.
   */
  write(lines: Lines): Promise<readonly GuiltyLine[]>;
}

export function createInfluxStore({ client, org, bucket, token }: Influx): InfluxStore {
  const path =
    token === undefined
      ? `/write?db=${encodeURIComponent(bucket)}&precision=ns`
      : `/api/v2/write?org=${encodeURIComponent(org)}&bucket=${encodeURIComponent(bucket)}&precision=ns`;

  /** Not compressed: on loopback and in data centres that costs more than sending. */
  async function send(body: string): Promise<void> {
    await client.transport.request(path, body, {
      method: "POST",
      headers: { "content-type": "text/plain; charset=utf-8" },
    });
  }

  /** Halves until the guilty stand alone. Lines that are written twice land on themselves. */
  async function bisect(lines: readonly string[], from: number, guilty: GuiltyLine[]): Promise<void> {
    try {
      await send(lines.join("\n"));
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
      if (lines.count === 0) return [];
      try {
        await send(lines.body());
        return [];
      } catch (error) {
        if (!isRefusal(error)) throw error;
      }
      const guilty: GuiltyLine[] = [];
      await bisect(lines.each(), 0, guilty);
      return guilty;
    },
  };
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
