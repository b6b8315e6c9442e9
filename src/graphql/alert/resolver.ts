import "reflect-metadata";
import { Arg, Args, Ctx, Field, FieldResolver, ID, Mutation, ObjectType, Query, Resolver, Root } from "type-graphql";
import type { AlertCommand } from "../../domain/alert/index.js";
import { alertId as checkedAlertId } from "../../domain/ids.js";
import { actorName } from "../../commands/index.js";
import type { AlertDocument, AlertQuery, AlertRuleDocument, DeviceDocument } from "../../projections/index.js";
import { AlertRule } from "../alert-rule/type.js";
import type { Connection } from "../connection.js";
import { PageArgs } from "../connection.js";
import type { GraphqlContext } from "../context.js";
import { tenantOf } from "../context.js";
import type { GraphqlDeps } from "../deps.js";
import { Device } from "../device/type.js";
import { given } from "../given.js";
import type { MutationDeps } from "../mutate.js";
import { commandIdOf, decideAndShow, now } from "../mutate.js";
import { Payload } from "../payload.js";
import { AlertFilterInput, AlertInput, AlertSortInput } from "./input.js";
import { alertPage } from "./page.js";
import { Alert, AlertConnection } from "./type.js";

@ObjectType()
export class AlertPayload extends Payload {
  @Field(() => Alert, { nullable: true })
  readonly alert: AlertDocument | undefined;

  constructor(alert: AlertDocument | undefined, shown: boolean) {
    super(shown);
    this.alert = alert;
  }
}

@Resolver(() => Alert)
export class AlertResolver {
  readonly #deps: MutationDeps & Pick<GraphqlDeps, "readModels">;

  constructor(deps: MutationDeps & Pick<GraphqlDeps, "readModels">) {
    this.#deps = deps;
  }

  @Query(() => Alert, { nullable: true, description: "Null where there is none of that id in your tenant." })
  alert(@Ctx() context: GraphqlContext, @Arg("id", () => ID) id: string): Promise<AlertDocument | undefined> {
    return this.#deps.readModels.alerts.find(tenantOf(context), checkedAlertId(id));
  }

  @Query(() => AlertConnection)
  alerts(
    @Ctx() context: GraphqlContext,
    @Args(() => PageArgs) page: PageArgs,
    @Arg("filter", () => AlertFilterInput, { nullable: true }) filter?: AlertFilterInput | null,
    @Arg("sort", () => AlertSortInput, { nullable: true }) sort?: AlertSortInput | null,
  ): Promise<Connection<AlertDocument>> {
    const { from, to, ...rest } = given(filter ?? {});
    const query: AlertQuery = { ...rest, ...given({ from: from?.toISOString(), to: to?.toISOString() }) };
    return alertPage(this.#deps.readModels, tenantOf(context), query, sort?.direction ?? "DESC", page);
  }

  @Mutation(() => AlertPayload)
  acknowledgeAlert(
    @Ctx() context: GraphqlContext,
    @Arg("input", () => AlertInput) input: AlertInput,
  ): Promise<AlertPayload> {
    const data = { by: actorName(context.actor), ...given({ note: input.note }) };
    return this.#give(context, input, { type: "AcknowledgeAlert", at: now(), data });
  }

  @Mutation(() => AlertPayload, {
    description:
      "Closes the episode by hand. While the condition holds on it is not raised again; once it has cleared, a new episode may begin.",
  })
  resolveAlert(
    @Ctx() context: GraphqlContext,
    @Arg("input", () => AlertInput) input: AlertInput,
  ): Promise<AlertPayload> {
    const at = now();
    const by = actorName(context.actor);
    const data = { resolvedAt: at, cause: "by-hand", by, ...given({ note: input.note }) } as const;
    return this.#give(context, input, { type: "ResolveAlert", at, data });
  }

  @FieldResolver(() => Device, { nullable: true })
  device(@Root() alert: AlertDocument, @Ctx() { loaders }: GraphqlContext): Promise<DeviceDocument | undefined> {
    return loaders.device.load(alert.deviceId);
  }

  @FieldResolver(() => AlertRule, { nullable: true, description: "The rule as it stands now." })
  rule(@Root() alert: AlertDocument, @Ctx() { loaders }: GraphqlContext): Promise<AlertRuleDocument | undefined> {
    return loaders.alertRule.load(alert.ruleId);
  }

  async #give(context: GraphqlContext, input: AlertInput, command: AlertCommand): Promise<AlertPayload> {
    const tenantId = tenantOf(context);
    const id = checkedAlertId(input.alertId);
    const { thing, shown } = await decideAndShow<"alert", AlertDocument>(
      this.#deps,
      context,
      { category: "alert", tenantId, id, command, commandId: commandIdOf(input.commandId) },
      () => this.#deps.readModels.alerts.find(tenantId, id),
    );
    return new AlertPayload(thing, shown);
  }
}
