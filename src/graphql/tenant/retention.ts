import "reflect-metadata";
import { Field, InputType, Int, ObjectType, registerEnumType } from "type-graphql";
import type { Resolution as DomainResolution } from "../../domain/tenant/index.js";
import { CommandInput } from "../command-input.js";

export const StoredResolution = { RAW: "RAW", MINUTE: "MINUTE", HOUR: "HOUR", DAY: "DAY" } as const satisfies {
  readonly [R in DomainResolution]: R;
};
registerEnumType(StoredResolution, {
  name: "StoredResolution",
  description: "What telemetry is kept as: each reading, and what readings come to in a minute, an hour, a day.",
});

@InputType()
export class RetentionRuleInput {
  @Field(() => StoredResolution)
  readonly resolution!: DomainResolution;

  @Field(() => String, { nullable: true, description: "Left out: every metric that has no rule of its own." })
  readonly metric?: string | null;

  @Field(() => Int, { description: "Deleted once it is so many days old; at least 1." })
  readonly days!: number;
}

@InputType()
export class SetRetentionInput extends CommandInput {
  @Field(() => [RetentionRuleInput], { description: "All rules: what none speaks of is kept for ever." })
  readonly rules!: readonly RetentionRuleInput[];
}

@ObjectType({ description: "How long telemetry is kept." })
export class RetentionRule {
  @Field(() => StoredResolution)
  readonly resolution!: DomainResolution;

  @Field(() => String, { nullable: true, description: "Null: every metric that has no rule of its own." })
  readonly metric?: string;

  @Field(() => Int, { description: "Deleted once it is so many days old." })
  readonly days!: number;
}
