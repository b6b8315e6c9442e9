import "reflect-metadata";
import { Field, Float, ID, Int, ObjectType } from "type-graphql";
import { connectionType } from "../connection.js";
import { DateTime } from "../scalars.js";
import { MetricKind } from "./enums.js";

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
}

@ObjectType({ description: "What devices of a type measure. Readings that do not fit are refused." })
export class DeviceType {
  @Field(() => ID)
  readonly deviceType!: string;

  @Field(() => ID)
  readonly tenantId!: string;

  @Field(() => Int, { description: "Devices are held to the newest." })
  readonly version!: number;

  @Field(() => Int)
  readonly revision!: number;

  @Field(() => DateTime)
  readonly createdAt!: string;

  @Field(() => DateTime)
  readonly updatedAt!: string;
}

export const DeviceTypeConnection = connectionType("DeviceType", DeviceType);
