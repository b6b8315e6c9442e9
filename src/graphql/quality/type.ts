import "reflect-metadata";
import { Field, Float, Int, ObjectType } from "type-graphql";
import { DateTime } from "../scalars.js";

@ObjectType()
export class FlagCount {
  @Field(() => String, { description: "`range`, `spike`, `stuck`, `gap`, `clock-skew` or `late`." })
  readonly flag!: string;

  @Field(() => Int)
  readonly count!: number;
}

@ObjectType({ description: "How good a device's data of one hour were." })
export class DeviceQualityHour {
  @Field(() => DateTime, { description: "Its beginning, by the device's time." })
  readonly hour!: number;

  @Field(() => Int, { description: "Values stored, of all metrics together." })
  readonly values!: number;

  @Field(() => [FlagCount], { description: "How many of them have which flag; one may have several." })
  readonly flagged!: readonly FlagCount[];

  @Field(() => Int, {
    nullable: true,
    description:
      "How many there should be, of the metrics that the device sends; null where its type does not say how often.",
  })
  readonly expected?: number;

  @Field(() => Float, {
    description:
      "0 to 1: the share of the values, of those expected where that is more, that came and are not doubted.",
  })
  readonly score!: number;
}
