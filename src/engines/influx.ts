import { HttpError, InfluxDB } from "@influxdata/influxdb-client";
import { createCircuitBreaker } from "../platform/circuit-breaker.js";

export interface InfluxOptions {
  readonly url: string;
  /** With a token the server is 2.x (or 3.x) and is written to through /api/v2/write; without, 1.x and /write?db=. */
  readonly token?: string | undefined;
  readonly org: string;
  /** The bucket of 2.x, the database of 1.x. */
  readonly bucket: string;
}

export interface Influx extends InfluxOptions {
  readonly client: InfluxDB;
}

export function connectInflux(options: InfluxOptions): Influx {
  const { url, token } = options;
  const client = new InfluxDB(token === undefined ? { url, timeout: 30_000 } : { url, token, timeout: 30_000 });
  failFastOnQueries(client);
  return { ...options, client };
}

/** Writes are repeated by the writer until they succeed, with its own back-off: only who waits for an answer fails fast. */
function failFastOnQueries({ transport }: InfluxDB): void {
  const breaker = createCircuitBreaker({ what: "InfluxDB", isAway });
  const request = transport.request.bind(transport);
  transport.request = async (path, body, sending, started) => {
    if (!path.startsWith("/query")) return request(path, body, sending, started);
    // The client's own declaration: what comes back is for the caller to say.
    return breaker.run<unknown>(() => request(path, body, sending, started));
  };
}

function isAway(error: unknown): boolean {
  return !(error instanceof HttpError) || error.statusCode >= 500;
}
