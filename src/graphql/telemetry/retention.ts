import "reflect-metadata";
import { Arg, Ctx, Field, Float, ObjectType, Query, Resolver } from "type-graphql";
import { checkRetention } from "../../domain/tenant/index.js";
import type { RetentionRule as Rule } from "../../domain/tenant/index.js";
import type { RulePreview } from "../../ingest/index.js";
import { FleetlogError } from "../../platform/errors.js";
import type { GraphqlContext } from "../context.js";
import { tenantOf } from "../context.js";
import type { GraphqlDeps } from "../deps.js";
import { given } from "../given.js";
import { DateTime } from "../scalars.js";
import { RetentionRule, RetentionRuleInput } from "../tenant/retention.js";

/** Each is counted in storage. */
const MAX_RULES = 100;

@ObjectType({ description: "What a retention rule would take away if it were in force now." })
export class RetentionRulePreview {
  @Field(() => RetentionRule)
  readonly rule!: Rule;

  @Field(() => DateTime, { description: "What is older could no longer be read." })
  readonly cutoff!: number;

  @Field(() => Float, { description: "Values, or rolled-up points, that are older." })
  readonly points!: number;

  @Field(() => DateTime, { nullable: true, description: "Of those; null where there are none." })
  readonly oldest?: number;

  @Field(() => DateTime, { nullable: true })
  readonly newest?: number;

  @Field(() => DateTime, {
    nullable: true,
    description:
      "What is older is deleted from storage too. Readings of a metric share their points with the others that came with them, and are deleted with the last that is kept; null where that is never.",
  })
  readonly deletedBefore?: number;
}

@Resolver()
export class RetentionPreviewResolver {
  readonly #deps: Pick<GraphqlDeps, "previewRetention">;

  constructor(deps: Pick<GraphqlDeps, "previewRetention">) {
    this.#deps = deps;
  }

  @Query(() => [RetentionRulePreview], {
    complexity: 500,
    description: "What these rules would delete if `setRetention` were called with them now. Changes nothing.",
  })
  async retentionPreview(
    @Ctx() context: GraphqlContext,
    @Arg("rules", () => [RetentionRuleInput]) rules: readonly RetentionRuleInput[],
  ): Promise<readonly RulePreview[]> {
    const tenantId = tenantOf(context);
    if (rules.length > MAX_RULES) {
      throw new FleetlogError("PAGE_TOO_LARGE", `a preview takes at most ${MAX_RULES} rules, not ${rules.length}`);
    }
    const checked = rules.map((rule): Rule => given(rule));
    checkRetention(checked);
    return this.#deps.previewRetention(tenantId, checked);
  }
}
