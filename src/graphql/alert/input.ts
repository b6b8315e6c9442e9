import "reflect-metadata";
import { Field, ID, InputType } from "type-graphql";
import type { AlertStatus as Status } from "../../domain/alert/index.js";
import type { Severity as SeverityName } from "../../domain/alert-rule/index.js";
import { Severity } from "../alert-rule/enums.js";
import { CommandInput } from "../command-input.js";
import { SortDirection } from "../connection.js";
import { DateTime } from "../scalars.js";
import { AlertSortField, AlertStatus } from "./enums.js";

@InputType({ description: "Alerts match every field given; times bound `triggeredAt`." })
export class AlertFilterInput {
  @Field(() => [AlertStatus], { nullable: true })
  readonly statuses?: readonly Status[] | null;

  @Field(() => [Severity], { nullable: true })
  readonly severities?: readonly SeverityName[] | null;

  @Field(() => ID, { nullable: true })
  readonly deviceId?: string | null;

  @Field(() => ID, { nullable: true })
  readonly ruleId?: string | null;

  @Field(() => DateTime, { nullable: true, description: "Included." })
  readonly from?: Date | null;

  @Field(() => DateTime, { nullable: true, description: "Not included." })
  readonly to?: Date | null;
}

@InputType()
export class AlertSortInput {
  @Field(() => AlertSortField)
  readonly field: AlertSortField = "TRIGGERED_AT";

  @Field(() => SortDirection)
  readonly direction: SortDirection = "DESC";
}

@InputType()
export class AlertInput extends CommandInput {
  @Field(() => ID)
  readonly alertId!: string;

  @Field(() => String, { nullable: true, description: "In your words; it stands in the history." })
  readonly note?: string | null;
}
