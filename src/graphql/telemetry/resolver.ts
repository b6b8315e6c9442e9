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
import { given } from "../given.js";
import type { MetricSeries, SeriesPage } from "../../ingest/index.js";
import { flagsOf, latestMetric } from "./latest.js";
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
  ): Promise<readonly LatestMetric[]> {
    const tenantId = tenantOf(context);
    const deviceId = await this.#deviceOf(tenantId, id);
    return (await this.#deps.telemetry.latest(tenantId, deviceId)).map(latestMetric);
  }

  @Query(() => [TelemetrySeries], {
    complexity: 25,
    description:
      "Metrics of a device over a time: the newest `limit` points of each; or with `maxPoints` the whole time, as finely as they suffice; or with `first` page by page, the oldest first.",
  })
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
    @Arg("maxPoints", () => Int, {
      nullable: true,
      description: `Points a metric, 1 to ${MAX_POINTS}, for the whole time: the readings where they are no more, else the shortest buckets for which it is enough. Not with \`resolution\` or \`first\`.`,
    })
    maxPoints?: number | null,
    @Arg("first", () => Int, {
      nullable: true,
      description: `Points a metric of a page, 1 to ${MAX_POINTS}, the oldest first.`,
    })
    first?: number | null,
    @Arg("after", () => String, { nullable: true, description: "The `endCursor` of the page before; with `first`." })
    after?: string | null,
  ): Promise<readonly TelemetrySeries[]> {
    const tenantId = tenantOf(context);
    const end = to?.getTime() ?? Date.now();
    const range = { from: from?.getTime() ?? end - HOUR_MS, to: end };
    const args = given({ resolution, maxPoints, first, after });
    check(metrics, range, { ...args, limit });
    const deviceId = await this.#deviceOf(tenantId, id);
    const { telemetry } = this.#deps;
    const asked =
      metrics ?? (await telemetry.latest(tenantId, deviceId)).slice(0, MAX_METRICS).map(({ metric }) => metric);
    const step = args.resolution === undefined ? {} : { resolution: args.resolution * 1000 };
    if (args.first !== undefined) {
      const more = args.after === undefined ? {} : { after: args.after };
      const page = await telemetry.page(tenantId, deviceId, {
        metrics: asked,
        ...range,
        first: args.first,
        ...more,
        ...step,
      });
      return page.series.map((series) => telemetrySeries(series, page));
    }
    const points =
      args.maxPoints === undefined ? { limit, ...step } : { limit: args.maxPoints, resolution: "auto" as const };
    const series = await telemetry.series(tenantId, deviceId, { metrics: asked, ...range, ...points });
    return series.map((each) => telemetrySeries(each));
  }

  /** The device must be there: an empty answer for a misspelt id would look like a silent device. */
  async #deviceOf(tenantId: TenantId, id: string): Promise<DeviceId> {
    const device = await this.#deps.readModels.devices.find(tenantId, checkedDeviceId(id));
    if (device === undefined) throw new FleetlogError("NOT_FOUND", `there is no device ${id} in this tenant`);
    return device.deviceId;
  }
}

/** Either the readings are there or the buckets, as was asked. */
function telemetrySeries(series: MetricSeries, page?: SeriesPage): TelemetrySeries {
  const { metric, raw, aggregates, resolution, source, isCut } = series;
  return {
    metric,
    points: [
      ...raw.map(({ quality, ...point }) => ({ ...point, quality: flagsOf(quality) })),
      ...aggregates.map((point) => ({ ...point, quality: [] })),
    ],
    resolution: resolution === undefined ? null : resolution / 1000,
    source,
    truncated: page?.hasNextPage ?? isCut,
    endCursor: page?.endCursor ?? null,
  };
}

interface Given {
  readonly resolution?: number;
  readonly limit: number;
  readonly maxPoints?: number;
  readonly first?: number;
  readonly after?: string;
}

function check(
  metrics: readonly string[] | null | undefined,
  { from, to }: { readonly from: number; readonly to: number },
  { resolution, limit, maxPoints, first, after }: Given,
): void {
  if (!(from < to)) throw new FleetlogError("BAD_REQUEST", "`from` must be before `to`");
  for (const [name, points] of Object.entries({ limit, maxPoints, first })) {
    if (points !== undefined && (points < 1 || points > MAX_POINTS)) {
      throw new FleetlogError("PAGE_TOO_LARGE", `${name} is ${points}: a series has 1 to ${MAX_POINTS} points`);
    }
  }
  if (resolution !== undefined && resolution < 1) {
    throw new FleetlogError("BAD_REQUEST", `resolution is ${resolution}: it is 1 second or more`);
  }
  if (maxPoints !== undefined && (resolution !== undefined || first !== undefined)) {
    throw new FleetlogError(
      "BAD_REQUEST",
      "`maxPoints` chooses the resolution itself: leave out `resolution` and `first`",
    );
  }
  if (after !== undefined && first === undefined) {
    throw new FleetlogError("BAD_REQUEST", "`after` goes on with pages: say with `first` how long they are");
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
