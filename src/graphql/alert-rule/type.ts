import "reflect-metadata";
import { Field, Float, ID, Int, ObjectType } from "type-graphql";
import type { Operator as OperatorName, Severity as SeverityName } from "../../domain/alert-rule/index.js";
import type { JsonObject as JsonObjectValue } from "../../domain/json.js";
import { connectionType } from "../connection.js";
import { DateTime, JsonObject } from "../scalars.js";
import { Operator, Severity } from "./enums.js";

@ObjectType({ description: "The devices that match every list given; nothing given is the whole tenant." })
export class DeviceFilter {
  @Field(() => [ID], { nullable: true })
  readonly deviceIds?: readonly string[];

  @Field(() => [String], { nullable: true })
  readonly deviceTypes?: readonly string[];

  @Field(() => [String], { nullable: true })
  readonly sites?: readonly string[];
}

@ObjectType({ description: "Holds while `metric operator threshold`; all times are device time." })
export class Condition {
  @Field(() => String)
  readonly metric!: string;

  @Field(() => Operator)
  readonly operator!: OperatorName;

  @Field(() => Float)
  readonly threshold!: number;

  @Field(() => Float, { nullable: true, description: "Back beyond this it clears; the threshold itself when null." })
  readonly clearThreshold?: number;

  @Field(() => Float, { description: "It must hold so long without a break; 0: the first reading is enough." })
  readonly forSeconds!: number;
}

@ObjectType()
export class AlertRule {
  @Field(() => ID)
  readonly ruleId!: string;

  @Field(() => ID)
  readonly tenantId!: string;

  @Field(() => String)
  readonly name!: string;

  @Field(() => String, { nullable: true })
  readonly description?: string;

  @Field(() => DeviceFilter)
  readonly filter!: DeviceFilter;

  @Field(() => Condition)
  readonly condition!: Condition;

  @Field(() => Severity)
  readonly severity!: SeverityName;

  @Field(() => Boolean)
  readonly enabled!: boolean;

  @Field(() => Float, { description: "After an alert on a device, no new one on it for so long." })
  readonly cooldownSeconds!: number;

  @Field(() => [JsonObject])
  readonly notificationChannels!: readonly JsonObjectValue[];

  @Field(() => Int, { description: "Of the definition; 1 at first." })
  readonly version!: number;

  @Field(() => Int, { description: "The number of the last event shown: it grows with every change." })
  readonly revision!: number;

  @Field(() => DateTime)
  readonly createdAt!: string;

  @Field(() => DateTime)
  readonly updatedAt!: string;
}

export const AlertRuleConnection = connectionType("AlertRule", AlertRule);
