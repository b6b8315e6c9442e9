import { InfluxDB } from "@influxdata/influxdb-client";

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
  return {
    ...options,
    client: new InfluxDB(token === undefined ? { url, timeout: 30_000 } : { url, token, timeout: 30_000 }),
  };
}
