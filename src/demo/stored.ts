/** Counts what is stored, through the API that everyone uses. */
import type { SimulatedDevice } from "./device.js";
import type { GraphqlClient } from "./graphql-client.js";

/** No whole minutes, so that the readings themselves are counted: recordings are late, and rollups are corrected for them by and by. */
const DAY_AND_A_SECOND = 86_401;
/** Of one answer: far more than a reading may be old. */
const MAX_DAYS = 10_000;

/** Readings of the device that InfluxDB gives back, exactly. */
export async function storedOf(client: GraphqlClient, device: SimulatedDevice): Promise<number> {
  if (device.sent === 0) return 0;
  const { deviceId, metric } = device.member;
  const { telemetry } = await client.ask<{
    readonly telemetry: readonly { readonly points: readonly { readonly count: number }[] }[];
  }>(
    `query ($device: ID!, $metrics: [String!]!, $from: DateTime!, $to: DateTime!) {
      telemetry(deviceId: $device, metrics: $metrics, from: $from, to: $to, resolution: ${DAY_AND_A_SECOND}, limit: ${MAX_DAYS}) {
        points { count }
      }
    }`,
    {
      device: deviceId,
      metrics: [metric],
      from: new Date(device.firstTime).toISOString(),
      to: new Date(device.lastTime + 1).toISOString(),
    },
  );
  return telemetry.flatMap(({ points }) => points).reduce((sum, { count }) => sum + count, 0);
}

export async function countAlerts(client: GraphqlClient): Promise<number> {
  const { alerts } = await client.ask<{ readonly alerts: { readonly totalCount: number } }>(
    `{ alerts(first: 1) { totalCount } }`,
  );
  return alerts.totalCount;
}
