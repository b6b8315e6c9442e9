import "reflect-metadata";
import { Field, Float, Int, ObjectType, registerEnumType } from "type-graphql";
import { DateTime } from "../scalars.js";

export const UsageResolution = { HOUR: "HOUR", DAY: "DAY" } as const;
export type UsageResolution = keyof typeof UsageResolution;
registerEnumType(UsageResolution, { name: "UsageResolution" });

@ObjectType({
  description: "What a tenant used in an hour or a day. Counts beyond a GraphQL Int are Floats, and whole.",
})
export class UsageSpan {
  @Field(() => DateTime, { description: "Its beginning, UTC." })
  readonly from!: string;

  @Field(() => Float, { description: "That reached the pipeline, refused ones too." })
  readonly messages!: number;

  @Field(() => Float, { description: "Of those messages' payloads." })
  readonly bytes!: number;

  @Field(() => Float, { description: "That were stored." })
  readonly readings!: number;

  @Field(() => Float, { description: "How often a limit held a message back or sent it away." })
  readonly waits!: number;

  @Field(() => Float, { description: "Messages and connections that were refused." })
  readonly refusals!: number;

  @Field(() => Int, { description: "The most at one time; the sum of each gateway's." })
  readonly peakConnections!: number;
}
