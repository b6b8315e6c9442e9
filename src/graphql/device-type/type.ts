import "reflect-metadata";
import { Field, Float, ID, Int, ObjectType } from "type-graphql";
import { connectionType } from "../connection.js";
import { DateTime } from "../scalars.js";
import { MetricKind, PayloadFormat } from "./enums.js";

@ObjectType({ description: "What makes a value doubtful though it is possible: it is kept, and flagged." })
export class QualityChecks {
  @Field(() => Float, { nullable: true, description: "The least that is usual, included." })
  readonly expectedMin?: number;

  @Field(() => Float, { nullable: true, description: "The most that is usual, included." })
  readonly expectedMax?: number;

  @Field(() => Float, {
    nullable: true,
    description: "The largest believable change, in the metric's unit per second.",
  })
  readonly maxRate?: number;

  @Field(() => Float, {
    nullable: true,
    description: "Seconds after which a value that does not move at all is taken for a stuck sensor.",
  })
  readonly stuckAfter?: number;
}

@ObjectType()
export class ProtobufSchema {
  @Field(() => String, { description: "A .proto text." })
  readonly schema!: string;

  @Field(() => String, { description: "The name of the message that a payload is." })
  readonly message!: string;
}

@ObjectType()
export class PayloadCodec {
  @Field(() => PayloadFormat)
  readonly format!: PayloadFormat;

  @Field(() => ProtobufSchema, { nullable: true })
  readonly protobuf?: ProtobufSchema;
}

@ObjectType({ description: "One thing that devices of a type measure." })
export class MetricDefinition {
  @Field(() => String)
  readonly name!: string;

  @Field(() => MetricKind)
  readonly kind!: MetricKind;

  @Field(() => String, { nullable: true, description: "As UCUM writes it: Cel, %, kPa." })
  readonly unit?: string;

  @Field(() => Float, { nullable: true, description: "The least that is physically possible." })
  readonly min?: number;

  @Field(() => Float, { nullable: true, description: "The most that is physically possible." })
  readonly max?: number;

  @Field(() => QualityChecks, { nullable: true })
  readonly quality?: QualityChecks;
}

@ObjectType({ description: "What devices of a type measure. Readings that do not fit are refused." })
export class DeviceType {
  @Field(() => ID)
  readonly deviceType!: string;

  @Field(() => ID)
  readonly tenantId!: string;

  @Field(() => Int, { description: "Devices are held to the newest." })
  readonly version!: number;

  @Field(() => Float, {
    nullable: true,
    description: "Seconds between two readings of a device in good health; a longer silence is a gap.",
  })
  readonly reportEvery?: number;

  @Field(() => Int)
  readonly revision!: number;

  @Field(() => DateTime)
  readonly createdAt!: string;

  @Field(() => DateTime)
  readonly updatedAt!: string;
}

export const DeviceTypeConnection = connectionType("DeviceType", DeviceType);
