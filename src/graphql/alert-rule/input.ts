import "reflect-metadata";
import { Field, Float, ID, InputType, Int } from "type-graphql";
import type { Operator as OperatorName, Severity as SeverityName } from "../../domain/alert-rule/index.js";
import type { JsonObject as JsonObjectValue } from "../../domain/json.js";
import { CommandInput } from "../command-input.js";
import { SortDirection } from "../connection.js";
import { JsonObject } from "../scalars.js";
import { AlertRuleSortField, Operator, Severity } from "./enums.js";

@InputType({ description: "Rules match every field given." })
export class AlertRuleFilterInput {
  @Field(() => Boolean, { nullable: true })
  readonly enabled?: boolean | null;

  @Field(() => String, { nullable: true })
  readonly metric?: string | null;
}

@InputType()
export class AlertRuleSortInput {
  @Field(() => AlertRuleSortField)
  readonly field: AlertRuleSortField = "CREATED_AT";

  @Field(() => SortDirection)
  readonly direction: SortDirection = "ASC";
}

@InputType({ description: "The devices that match every list given; nothing given is the whole tenant." })
export class RuleDeviceFilterInput {
  @Field(() => [ID], { nullable: true })
  readonly deviceIds?: readonly string[] | null;

  @Field(() => [String], { nullable: true })
  readonly deviceTypes?: readonly string[] | null;

  @Field(() => [String], { nullable: true })
  readonly sites?: readonly string[] | null;
}

@InputType()
export class ConditionInput {
  @Field(() => String)
  readonly metric!: string;

  @Field(() => Operator)
  readonly operator!: OperatorName;

  @Field(() => Float)
  readonly threshold!: number;

  @Field(() => Float, { nullable: true })
  readonly clearThreshold?: number | null;

  @Field(() => Float)
  readonly forSeconds: number = 0;
}

@InputType()
export class CreateAlertRuleInput extends CommandInput {
  @Field(() => String)
  readonly name!: string;

  @Field(() => String, { nullable: true })
  readonly description?: string | null;

  @Field(() => RuleDeviceFilterInput, { nullable: true })
  readonly filter?: RuleDeviceFilterInput | null;

  @Field(() => ConditionInput)
  readonly condition!: ConditionInput;

  @Field(() => Severity)
  readonly severity!: SeverityName;

  @Field(() => Float)
  readonly cooldownSeconds: number = 0;

  @Field(() => [JsonObject], { nullable: true })
  readonly notificationChannels?: readonly JsonObjectValue[] | null;
}

@InputType()
export class AlertRuleInput extends CommandInput {
  @Field(() => ID)
  readonly ruleId!: string;
}

@InputType({ description: "A field left out stays as it is; filter and condition are replaced whole." })
export class UpdateAlertRuleInput extends AlertRuleInput {
  @Field(() => Int, {
    nullable: true,
    description: "The version that you saw last: refused with VERSION_CONFLICT when it is not the newest.",
  })
  readonly expectedVersion?: number | null;

  @Field(() => String, { nullable: true })
  readonly name?: string | null;

  @Field(() => String, { nullable: true })
  readonly description?: string | null;

  @Field(() => RuleDeviceFilterInput, { nullable: true })
  readonly filter?: RuleDeviceFilterInput | null;

  @Field(() => ConditionInput, { nullable: true })
  readonly condition?: ConditionInput | null;

  @Field(() => Severity, { nullable: true })
  readonly severity?: SeverityName | null;

  @Field(() => Float, { nullable: true })
  readonly cooldownSeconds?: number | null;

  @Field(() => [JsonObject], { nullable: true })
  readonly notificationChannels?: readonly JsonObjectValue[] | null;
}
