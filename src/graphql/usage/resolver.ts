import "reflect-metadata";
import { Arg, Ctx, Query, Resolver } from "type-graphql";
import type { UsageHour } from "../../ingest/index.js";
import { FleetlogError } from "../../platform/errors.js";
import type { GraphqlContext } from "../context.js";
import { tenantOf } from "../context.js";
import type { GraphqlDeps } from "../deps.js";
import { DateTime } from "../scalars.js";
import { UsageResolution, UsageSpan } from "./type.js";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Each at most a few hundred rows of the answer. */
const MAX_DAYS = { HOUR: 31, DAY: 400 } as const;

@Resolver()
export class UsageResolver {
  readonly #deps: Pick<GraphqlDeps, "usage">;

  constructor(deps: Pick<GraphqlDeps, "usage">) {
    this.#deps = deps;
  }

  @Query(() => [UsageSpan], {
    complexity: 25,
    description:
      "What the tenant used, oldest first; spans without any use are left out. The newest is behind by a few seconds.",
  })
  async usage(
    @Ctx() context: GraphqlContext,
    @Arg("from", () => DateTime, {
      nullable: true,
      description: "The hour or day that it lies in is included; a day before `to` when left out.",
    })
    from?: Date | null,
    @Arg("to", () => DateTime, {
      nullable: true,
      description: "Hours that begin at it or later are not included; now when left out.",
    })
    to?: Date | null,
    @Arg("resolution", () => UsageResolution, { defaultValue: "HOUR" })
    resolution: UsageResolution = "HOUR",
  ): Promise<readonly UsageSpan[]> {
    const end = to?.getTime() ?? Date.now();
    const step = resolution === "HOUR" ? HOUR_MS : DAY_MS;
    const start = Math.floor((from?.getTime() ?? end - DAY_MS) / step) * step;
    if (!(start < end)) throw new FleetlogError("BAD_REQUEST", "`from` must be before `to`");
    const most = MAX_DAYS[resolution];
    if (end - start > (most + 1) * DAY_MS) {
      throw new FleetlogError("PAGE_TOO_LARGE", `a query by the ${resolution} speaks of at most ${most} days`);
    }
    const hours = await this.#deps.usage.hours(tenantOf(context), start, end);
    return resolution === "HOUR" ? hours.map(({ hour, ...counts }) => ({ from: hour, ...counts })) : days(hours);
  }
}

function days(hours: readonly UsageHour[]): readonly UsageSpan[] {
  const byDay = new Map<string, UsageSpan>();
  for (const { hour, ...counts } of hours) {
    const from = `${hour.slice(0, 10)}T00:00:00.000Z`;
    const day = byDay.get(from);
    byDay.set(from, day === undefined ? { from, ...counts } : added(day, counts));
  }
  return [...byDay.values()];
}

function added(day: UsageSpan, counts: Omit<UsageHour, "hour">): UsageSpan {
  return {
    from: day.from,
    messages: day.messages + counts.messages,
    bytes: day.bytes + counts.bytes,
    readings: day.readings + counts.readings,
    waits: day.waits + counts.waits,
    refusals: day.refusals + counts.refusals,
    peakConnections: Math.max(day.peakConnections, counts.peakConnections),
  };
}
