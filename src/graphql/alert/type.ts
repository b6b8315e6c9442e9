import "reflect-metadata";
import { Field, Float, ID, Int, ObjectType } from "type-graphql";
import type { AlertStatus as Status } from "../../domain/alert/index.js";
import type { Severity as SeverityName } from "../../domain/alert-rule/index.js";
import { Severity } from "../alert-rule/enums.js";
import { connectionType } from "../connection.js";
import { DateTime } from "../scalars.js";
import { AlertStatus } from "./enums.js";

@ObjectType({ description: "How an alert ended." })
export class AlertResolution {
  @Field(() => String, { description: "condition-cleared, rule-changed, device-decommissioned or by-hand." })
  readonly cause!: string;

  @Field(() => Float, { nullable: true, description: "The value that cleared it." })
  readonly value?: number;

  @Field(() => String, { nullable: true })
  readonly by?: string;

  @Field(() => String, { nullable: true })
  readonly note?: string;
}

@ObjectType({ description: "One episode of a rule's condition holding on one device." })
export class Alert {
  @Field(() => ID)
  readonly alertId!: string;

  @Field(() => ID)
  readonly tenantId!: string;

  @Field(() => ID)
  readonly ruleId!: string;

  @Field(() => Int, { description: "The version of the rule that judged." })
  readonly ruleVersion!: number;

  @Field(() => ID)
  readonly deviceId!: string;

  @Field(() => Severity)
  readonly severity!: SeverityName;

  @Field(() => AlertStatus)
  readonly status!: Status;

  @Field(() => String)
  readonly message!: string;

  @Field(() => String)
  readonly metric!: string;

  @Field(() => Float)
  readonly value!: number;

  @Field(() => Float)
  readonly threshold!: number;

  @Field(() => DateTime, { description: "Device time at which the condition began to hold." })
  readonly since!: string;

  @Field(() => DateTime, { description: "Device time of the reading that completed it." })
  readonly triggeredAt!: string;

  @Field(() => DateTime, { description: "When the platform recorded it." })
  readonly raisedAt!: string;

  @Field(() => DateTime, { nullable: true })
  readonly acknowledgedAt?: string;

  @Field(() => String, { nullable: true })
  readonly acknowledgedBy?: string;

  @Field(() => String, { nullable: true })
  readonly acknowledgeNote?: string;

  @Field(() => DateTime, { nullable: true })
  readonly resolvedAt?: string;

  @Field(() => AlertResolution, { nullable: true })
  readonly resolution?: AlertResolution;

  @Field(() => Int, { description: "The number of the last event shown: it grows with every change." })
  readonly revision!: number;

  @Field(() => DateTime)
  readonly updatedAt!: string;
}

export const AlertConnection = connectionType("Alert", Alert);
