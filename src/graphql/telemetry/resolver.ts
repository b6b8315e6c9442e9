import "reflect-metadata";
import { Arg, Ctx, ID, Int, Query, Resolver } from "type-graphql";
import type { DeviceId, TenantId } from "../../domain/ids.js";
import { deviceId as checkedDeviceId } from "../../domain/ids.js";
import { METRIC_NAME_RULE, isMetricName } from "../../domain/metric.js";
import { FleetlogError } from "../../platform/errors.js";
import type { GraphqlContext } from "../context.js";
import { tenantOf } from "../context.js";
import type { GraphqlDeps } from "../deps.js";
import { DateTime } from "../scalars.js";
import type { LatestValue, MetricSeries } from "../../ingest/index.js";
import { LatestMetric, TelemetrySeries } from "./type.js";

const DEFAULT_POINTS = 1_000;
const MAX_POINTS = 10_000;
const MAX_METRICS = 64;
const HOUR_MS = 3_600_000;

@Resolver()
export class TelemetryResolver {
  readonly #deps: Pick<GraphqlDeps, "readModels" | "telemetry">;

  constructor(deps: Pick<GraphqlDeps, "readModels" | "telemetry">) {
    this.#deps = deps;
  }

  @Query(() => [LatestMetric], { complexity: 25, description: "The newest value of each metric of a device." })
  async latestTelemetry(
    @Ctx() context: GraphqlContext,
    @Arg("deviceId", () => ID) id: string,
  ): Promise<readonly LatestValue[]> {
    const tenantId = tenantOf(context);
    const deviceId = await this.#deviceOf(tenantId, id);
    return this.#deps.telemetry.latest(tenantId, deviceId);
  }

  @Query(() => [TelemetrySeries], { complexity: 25 })
  async telemetry(
    @Ctx() context: GraphqlContext,
    @Arg("deviceId", () => ID) id: string,
    @Arg("metrics", () => [String], { nullable: true, description: "All of them when left out." })
    metrics?: readonly string[] | null,
    @Arg("from", () => DateTime, { nullable: true, description: "Included; an hour before `to` when left out." })
    from?: Date | null,
    @Arg("to", () => DateTime, { nullable: true, description: "Not included; now when left out." })
    to?: Date | null,
    @Arg("resolution", () => Int, {
      nullable: true,
      description:
        "Seconds: one point of mean, min, max and count for each span so long. Left out: the readings themselves.",
    })
    resolution?: number | null,
    @Arg("limit", () => Int, {
      defaultValue: DEFAULT_POINTS,
      description: `Points a metric, 1 to ${MAX_POINTS}; where there are more, the newest of them.`,
    })
    limit: number = DEFAULT_POINTS,
  ): Promise<readonly TelemetrySeries[]> {
    const tenantId = tenantOf(context);
    const end = to?.getTime() ?? Date.now();
    const start = from?.getTime() ?? end - HOUR_MS;
    check(metrics, { start, end }, resolution, limit);
    const deviceId = await this.#deviceOf(tenantId, id);
    const { telemetry } = this.#deps;
    const asked =
      metrics ?? (await telemetry.latest(tenantId, deviceId)).slice(0, MAX_METRICS).map(({ metric }) => metric);
    const series = await telemetry.series(tenantId, deviceId, {
      metrics: asked,
      from: start,
      to: end,
      limit,
      ...(resolution === null || resolution === undefined ? {} : { resolution: resolution * 1000 }),
    });
    return series.map(pointsOf);
  }

  /** The device must be there: an empty answer for a misspelt id would look like a silent device. */
  async #deviceOf(tenantId: TenantId, id: string): Promise<DeviceId> {
    const device = await this.#deps.readModels.devices.find(tenantId, checkedDeviceId(id));
    if (device === undefined) throw new FleetlogError("NOT_FOUND", `there is no device ${id} in this tenant`);
    return device.deviceId;
  }
}

/** Either the readings are there or the buckets, as was asked. */
function pointsOf({ metric, raw, aggregates }: MetricSeries): TelemetrySeries {
  return { metric, points: [...raw, ...aggregates] };
}

function check(
  metrics: readonly string[] | null | undefined,
  { start, end }: { readonly start: number; readonly end: number },
  resolution: number | null | undefined,
  limit: number,
): void {
  if (!(start < end)) throw new FleetlogError("BAD_REQUEST", "`from` must be before `to`");
  if (limit < 1 || limit > MAX_POINTS) {
    throw new FleetlogError("PAGE_TOO_LARGE", `limit is ${limit}: a series has 1 to ${MAX_POINTS} points`);
  }
  if (resolution !== null && resolution !== undefined && resolution < 1) {
    throw new FleetlogError("BAD_REQUEST", `resolution is ${resolution}: it is 1 second or more`);
  }
  if (metrics === null || metrics === undefined) return;
  if (metrics.length === 0 || metrics.length > MAX_METRICS) {
    throw new FleetlogError("BAD_REQUEST", `metrics names 1 to ${MAX_METRICS} of them; leave it out for all`);
  }
  const wrong = metrics.find((metric) => !isMetricName(metric));
  if (wrong !== undefined) {
    throw new FleetlogError("BAD_REQUEST", `metrics: ${JSON.stringify(wrong.slice(0, 80))}: ${METRIC_NAME_RULE}`);
  }
}
