import "reflect-metadata";
import { Field, Float, InputType } from "type-graphql";
import { CommandInput } from "../command-input.js";
import { MetricKind, PayloadFormat } from "./enums.js";

@InputType({ description: "What makes a value doubtful though it is possible: it is kept, and flagged. For numbers." })
export class QualityChecksInput {
  @Field(() => Float, { nullable: true, description: "The least that is usual, included." })
  readonly expectedMin?: number | null;

  @Field(() => Float, { nullable: true, description: "The most that is usual, included." })
  readonly expectedMax?: number | null;

  @Field(() => Float, {
    nullable: true,
    description: "The largest believable change, in the metric's unit per second.",
  })
  readonly maxRate?: number | null;

  @Field(() => Float, {
    nullable: true,
    description: "Seconds after which a value that does not move at all is taken for a stuck sensor.",
  })
  readonly stuckAfter?: number | null;
}

@InputType()
export class ProtobufSchemaInput {
  @Field(() => String, { description: "A .proto text, whole: it imports nothing but google/protobuf/timestamp.proto." })
  readonly schema!: string;

  @Field(() => String, { description: "The name of the message that a payload is, with its package." })
  readonly message!: string;
}

@InputType()
export class PayloadCodecInput {
  @Field(() => PayloadFormat)
  readonly format!: PayloadFormat;

  @Field(() => ProtobufSchemaInput, { nullable: true, description: "Goes with PROTOBUF, and only with it." })
  readonly protobuf?: ProtobufSchemaInput | null;
}

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

  @Field(() => QualityChecksInput, { nullable: true })
  readonly quality?: QualityChecksInput | null;
}

@InputType()
export class DefineDeviceTypeInput extends CommandInput {
  @Field(() => String)
  readonly deviceType!: string;

  @Field(() => [MetricDefinitionInput])
  readonly metrics!: readonly MetricDefinitionInput[];

  @Field(() => PayloadCodecInput, {
    nullable: true,
    description: "How devices of the type write telemetry when a message does not say; JSON when left out.",
  })
  readonly codec?: PayloadCodecInput | null;

  @Field(() => Float, {
    nullable: true,
    description: "Seconds between two readings of a device in good health; a longer silence is a gap.",
  })
  readonly reportEvery?: number | null;
}
