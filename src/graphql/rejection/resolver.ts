import "reflect-metadata";
import { Arg, Args, Ctx, ID, Int, Mutation, Query, Resolver } from "type-graphql";
import { actorName } from "../../commands/index.js";
import type { RejectionCountRow, ReplaySelection } from "../../ingest/index.js";
import { FleetlogError } from "../../platform/errors.js";
import type { Connection } from "../connection.js";
import { PageArgs, connectionOf } from "../connection.js";
import type { GraphqlContext } from "../context.js";
import { tenantOf } from "../context.js";
import type { GraphqlDeps } from "../deps.js";
import { given } from "../given.js";
import { DateTime } from "../scalars.js";
import { RejectionFilterInput, ReplayRejectionsInput, queryOf } from "./input.js";
import type { Rejection } from "./type.js";
import {
  RejectionConnection,
  RejectionCount,
  RejectionCountBy,
  ReplayRejectionsPayload,
  countFields,
  rejectionOf,
} from "./type.js";

const DAY_MS = 86_400_000;
const MAX_COUNTS = 500;

@Resolver()
export class RejectionResolver {
  readonly #deps: Pick<GraphqlDeps, "rejections">;

  constructor(deps: Pick<GraphqlDeps, "rejections">) {
    this.#deps = deps;
  }

  @Query(() => RejectionConnection, { description: "What was refused and kept, newest first." })
  async rejections(
    @Ctx() context: GraphqlContext,
    @Args(() => PageArgs) page: PageArgs,
    @Arg("filter", () => RejectionFilterInput, { nullable: true }) filter?: RejectionFilterInput | null,
  ): Promise<Connection<Rejection>> {
    const tenantId = tenantOf(context);
    const query = queryOf(filter);
    const { first, after } = given(page);
    const { rejections } = this.#deps;
    const found = await rejections.page(tenantId, query, after === undefined ? { first } : { first, after });
    const items = found.items.map(({ cursor, document }) => ({ cursor, document: rejectionOf(document) }));
    return connectionOf({ ...found, items }, page, () => rejections.count(tenantId, query));
  }

  @Query(() => [RejectionCount], {
    complexity: 25,
    description: "How many were refused, kept or not, by whole hours; the most frequent first.",
  })
  rejectionCounts(
    @Ctx() context: GraphqlContext,
    @Arg("by", () => RejectionCountBy, { defaultValue: RejectionCountBy.CODE }) by: RejectionCountBy,
    @Arg("from", () => DateTime, {
      nullable: true,
      description: "The hour that it lies in is included; a day before `to` when left out.",
    })
    from?: Date | null,
    @Arg("to", () => DateTime, {
      nullable: true,
      description: "Hours that begin at it or later are not included; now when left out.",
    })
    to?: Date | null,
    @Arg("deviceId", () => ID, { nullable: true }) deviceId?: string | null,
    @Arg("first", () => Int, { defaultValue: 100, description: `The largest counts, 1 to ${MAX_COUNTS}.` })
    first: number = 100,
  ): Promise<readonly RejectionCountRow[]> {
    const end = to?.getTime() ?? Date.now();
    const start = from?.getTime() ?? end - DAY_MS;
    if (!(start < end)) throw new FleetlogError("BAD_REQUEST", "`from` must be before `to`");
    if (first < 1 || first > MAX_COUNTS) {
      throw new FleetlogError("PAGE_TOO_LARGE", `first is ${first}: it is 1 to ${MAX_COUNTS}`);
    }
    return this.#deps.rejections.counts(tenantOf(context), {
      by: countFields[by],
      from: new Date(start).toISOString(),
      to: new Date(end).toISOString(),
      first,
      ...(deviceId === null || deviceId === undefined ? {} : { deviceId }),
    });
  }

  @Mutation(() => ReplayRejectionsPayload, {
    complexity: 50,
    description:
      "Takes refused messages in once more, once their cause is mended: through the whole pipeline, as their devices, at the time at which they first came. At most 500 a request; what is stored is never replayed again.",
  })
  replayRejections(
    @Ctx() context: GraphqlContext,
    @Arg("input", () => ReplayRejectionsInput) input: ReplayRejectionsInput,
  ): Promise<ReplayRejectionsPayload> {
    return this.#deps.rejections.replay(tenantOf(context), actorName(context.actor), selectionOf(input));
  }
}

function selectionOf({ ids, filter, untriedSince }: ReplayRejectionsInput): ReplaySelection {
  const byIds = ids !== null && ids !== undefined;
  const byFilter = filter !== null && filter !== undefined;
  if (byIds === byFilter) throw new FleetlogError("BAD_REQUEST", "say which to replay: either `ids` or `filter`");
  if (byIds) return { ids };
  const query = queryOf(filter);
  return untriedSince === null || untriedSince === undefined
    ? { query }
    : { query, untriedSince: untriedSince.toISOString() };
}
