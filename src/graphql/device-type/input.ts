import "reflect-metadata";
import { Field, Float, InputType } from "type-graphql";
import { CommandInput } from "../command-input.js";
import { MetricKind } from "./enums.js";

@InputType()
export class MetricDefinitionInput {
  @Field(() => String)
  readonly name!: string;

  @Field(() => MetricKind)
  readonly kind: MetricKind = "NUMBER";

  @Field(() => String, { nullable: true })
  readonly unit?: string | null;

  @Field(() => Float, { nullable: true })
  readonly min?: number | null;

  @Field(() => Float, { nullable: true })
  readonly max?: number | null;
}

@InputType()
export class DefineDeviceTypeInput extends CommandInput {
  @Field(() => String)
  readonly deviceType!: string;

  @Field(() => [MetricDefinitionInput])
  readonly metrics!: readonly MetricDefinitionInput[];
}
