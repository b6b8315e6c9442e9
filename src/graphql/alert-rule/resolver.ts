import "reflect-metadata";
import { Arg, Args, Ctx, Field, ID, Mutation, ObjectType, Query, Resolver } from "type-graphql";
import type { AlertRuleCommand, Condition, DeviceFilter } from "../../domain/alert-rule/index.js";
import type { RuleId } from "../../domain/ids.js";
import { deviceId, deviceTypeId, ruleId as checkedRuleId } from "../../domain/ids.js";
import { derivedId } from "../../platform/ids.js";
import type { AlertRuleDocument } from "../../projections/index.js";
import type { Connection } from "../connection.js";
import { PageArgs, connectionOf, pageRequest } from "../connection.js";
import type { GraphqlContext } from "../context.js";
import { tenantOf } from "../context.js";
import type { GraphqlDeps } from "../deps.js";
import { given } from "../given.js";
import type { MutationDeps } from "../mutate.js";
import { commandIdOf, decideAndShow, now } from "../mutate.js";
import { Payload } from "../payload.js";
import { alertRuleSortFields } from "./enums.js";
import type { ConditionInput, RuleDeviceFilterInput } from "./input.js";
import {
  AlertRuleFilterInput,
  AlertRuleInput,
  AlertRuleSortInput,
  CreateAlertRuleInput,
  UpdateAlertRuleInput,
} from "./input.js";
import { AlertRule, AlertRuleConnection } from "./type.js";

@ObjectType()
export class AlertRulePayload extends Payload {
  @Field(() => AlertRule, { nullable: true })
  readonly alertRule: AlertRuleDocument | undefined;

  constructor(alertRule: AlertRuleDocument | undefined, shown: boolean) {
    super(shown);
    this.alertRule = alertRule;
  }
}

@Resolver()
export class AlertRuleResolver {
  readonly #deps: MutationDeps & Pick<GraphqlDeps, "readModels">;

  constructor(deps: MutationDeps & Pick<GraphqlDeps, "readModels">) {
    this.#deps = deps;
  }

  @Query(() => AlertRule, { nullable: true, description: "Null where there is none of that id in your tenant." })
  alertRule(@Ctx() context: GraphqlContext, @Arg("id", () => ID) id: string): Promise<AlertRuleDocument | undefined> {
    return this.#deps.readModels.alertRules.find(tenantOf(context), checkedRuleId(id));
  }

  @Query(() => AlertRuleConnection)
  async alertRules(
    @Ctx() context: GraphqlContext,
    @Args(() => PageArgs) page: PageArgs,
    @Arg("filter", () => AlertRuleFilterInput, { nullable: true }) filter?: AlertRuleFilterInput | null,
    @Arg("sort", () => AlertRuleSortInput, { nullable: true }) sort?: AlertRuleSortInput | null,
  ): Promise<Connection<AlertRuleDocument>> {
    const { alertRules } = this.#deps.readModels;
    const tenantId = tenantOf(context);
    const query = given(filter ?? {});
    const { field, direction } = sort ?? new AlertRuleSortInput();
    const order = { field: alertRuleSortFields[field], descending: direction === "DESC" };
    const found = await alertRules.page(tenantId, query, pageRequest(page, order));
    return connectionOf(found, page, () => alertRules.count(tenantId, query));
  }

  @Mutation(() => AlertRulePayload, { description: "The rule is enabled, and in force within 2 s." })
  createAlertRule(
    @Ctx() context: GraphqlContext,
    @Arg("input", () => CreateAlertRuleInput) input: CreateAlertRuleInput,
  ): Promise<AlertRulePayload> {
    const tenantId = tenantOf(context);
    const { commandId: asked, filter, condition, notificationChannels, ...rest } = given(input);
    const commandId = commandIdOf(asked);
    // Derived, so that a retry makes the same rule and not a second one.
    const ruleId = checkedRuleId(derivedId("alert-rule", tenantId, commandId));
    const data = {
      ...rest,
      tenantId,
      ruleId,
      filter: filterOf(filter ?? {}),
      condition: conditionOf(condition),
      notificationChannels: notificationChannels ?? [],
    };
    return this.#give(context, ruleId, commandId, { type: "CreateAlertRule", at: now(), data });
  }

  @Mutation(() => AlertRulePayload, { description: "Alerts that the older version raised are resolved." })
  updateAlertRule(
    @Ctx() context: GraphqlContext,
    @Arg("input", () => UpdateAlertRuleInput) input: UpdateAlertRuleInput,
  ): Promise<AlertRulePayload> {
    const { ruleId, commandId, expectedVersion, filter, condition, ...rest } = given(input);
    const changes = {
      ...rest,
      ...(filter === undefined ? {} : { filter: filterOf(filter) }),
      ...(condition === undefined ? {} : { condition: conditionOf(condition) }),
    };
    const data = { changes, ...(expectedVersion === undefined ? {} : { expectedVersion }) };
    return this.#give(context, ruleId, commandId, { type: "UpdateAlertRule", at: now(), data });
  }

  @Mutation(() => AlertRulePayload)
  enableAlertRule(
    @Ctx() context: GraphqlContext,
    @Arg("input", () => AlertRuleInput) input: AlertRuleInput,
  ): Promise<AlertRulePayload> {
    return this.#give(context, input.ruleId, input.commandId, { type: "EnableAlertRule", at: now(), data: {} });
  }

  @Mutation(() => AlertRulePayload, { description: "Its open alerts are resolved." })
  disableAlertRule(
    @Ctx() context: GraphqlContext,
    @Arg("input", () => AlertRuleInput) input: AlertRuleInput,
  ): Promise<AlertRulePayload> {
    return this.#give(context, input.ruleId, input.commandId, { type: "DisableAlertRule", at: now(), data: {} });
  }

  async #give(
    context: GraphqlContext,
    ruleId: string,
    commandId: string | null | undefined,
    command: AlertRuleCommand,
  ): Promise<AlertRulePayload> {
    const tenantId = tenantOf(context);
    const id: RuleId = checkedRuleId(ruleId);
    const { thing, shown } = await decideAndShow<"alertRule", AlertRuleDocument>(
      this.#deps,
      context,
      { category: "alertRule", tenantId, id, command, commandId: commandIdOf(commandId) },
      () => this.#deps.readModels.alertRules.find(tenantId, id),
    );
    return new AlertRulePayload(thing, shown);
  }
}

function filterOf(input: RuleDeviceFilterInput): DeviceFilter {
  const { deviceIds, deviceTypes, sites } = given(input);
  return {
    ...(deviceIds === undefined ? {} : { deviceIds: deviceIds.map(deviceId) }),
    ...(deviceTypes === undefined ? {} : { deviceTypes: deviceTypes.map(deviceTypeId) }),
    ...(sites === undefined ? {} : { sites }),
  };
}

function conditionOf(input: ConditionInput): Condition {
  return given(input);
}
