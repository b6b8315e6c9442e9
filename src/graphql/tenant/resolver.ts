import "reflect-metadata";
import { Arg, Ctx, FieldResolver, Mutation, Query, Resolver, Root } from "type-graphql";
import { PLATFORM } from "../../commands/index.js";
import { tenantId as checkedTenantId } from "../../domain/ids.js";
import type { TenantId } from "../../domain/ids.js";
import type { RetentionRule as Rule, TenantCommand } from "../../domain/tenant/index.js";
import type { TenantDocument } from "../../projections/index.js";
import type { GraphqlContext } from "../context.js";
import { tenantOf } from "../context.js";
import type { CommandInput } from "../command-input.js";
import type { GraphqlDeps } from "../deps.js";
import type { MutationDeps } from "../mutate.js";
import { given } from "../given.js";
import { commandIdOf, decideAndShow, now } from "../mutate.js";
import { SetTenantLimitsInput, TenantLimits, limitsOf } from "./limits.js";
import { RetentionRule, SetRetentionInput } from "./retention.js";
import { CreateTenantInput, Me, Tenant, TenantPayload } from "./type.js";

@Resolver(() => Me)
export class TenantResolver {
  readonly #deps: MutationDeps & Pick<GraphqlDeps, "readModels">;

  constructor(deps: MutationDeps & Pick<GraphqlDeps, "readModels">) {
    this.#deps = deps;
  }

  @Query(() => Me)
  me(@Ctx() { actor, expiresAt }: GraphqlContext): Me {
    return { subject: actor.subject, role: actor.role, expiresAt };
  }

  @FieldResolver(() => Tenant, { nullable: true, description: "Null for a token of the platform itself." })
  tenant(@Ctx() { actor }: GraphqlContext): Promise<TenantDocument | undefined> | undefined {
    return actor.tenantId === PLATFORM ? undefined : this.#deps.readModels.tenants.find(actor.tenantId);
  }

  @Query(() => Tenant, { name: "tenant", nullable: true, description: "Your own." })
  ownTenant(@Ctx() context: GraphqlContext): Promise<TenantDocument | undefined> {
    return this.#deps.readModels.tenants.find(tenantOf(context));
  }

  @Mutation(() => TenantPayload, { description: "Takes a platform administrator's token." })
  async createTenant(
    @Ctx() context: GraphqlContext,
    @Arg("input", () => CreateTenantInput) input: CreateTenantInput,
  ): Promise<TenantPayload> {
    const tenantId = checkedTenantId(input.tenantId);
    const data = { tenantId, name: input.name };
    return this.#give(context, input, tenantId, { type: "CreateTenant", at: now(), data });
  }

  @Mutation(() => TenantPayload, {
    description: "Replaces the tenant's limits; in force within a second. Takes a platform administrator's token.",
  })
  async setTenantLimits(
    @Ctx() context: GraphqlContext,
    @Arg("input", () => SetTenantLimitsInput) input: SetTenantLimitsInput,
  ): Promise<TenantPayload> {
    const data = { limits: limitsOf(input.limits) };
    return this.#give(context, input, checkedTenantId(input.tenantId), { type: "SetTenantLimits", at: now(), data });
  }

  @Mutation(() => TenantPayload, {
    description: "Replaces how long your tenant's telemetry is kept. What is deleted does not come back.",
  })
  async setRetention(
    @Ctx() context: GraphqlContext,
    @Arg("input", () => SetRetentionInput) input: SetRetentionInput,
  ): Promise<TenantPayload> {
    const retention = input.rules.map((rule): Rule => given(rule));
    return this.#give(context, input, tenantOf(context), { type: "SetRetention", at: now(), data: { retention } });
  }

  async #give(
    context: GraphqlContext,
    { commandId }: CommandInput,
    tenantId: TenantId,
    command: TenantCommand,
  ): Promise<TenantPayload> {
    const { thing, shown } = await decideAndShow<"tenant", TenantDocument>(
      this.#deps,
      context,
      { category: "tenant", tenantId, id: tenantId, command, commandId: commandIdOf(commandId) },
      () => this.#deps.readModels.tenants.find(tenantId),
    );
    return new TenantPayload(thing, shown);
  }
}

/** What a tenant's administrators and the platform's have set. */
@Resolver(() => Tenant)
export class TenantFieldsResolver {
  @FieldResolver(() => TenantLimits, { description: "What the platform's administrators have set for your tenant." })
  limits(@Root() { limits = {} }: TenantDocument): TenantLimits {
    return limits;
  }

  @FieldResolver(() => [RetentionRule], { description: "What none speaks of is kept for ever." })
  retention(@Root() { retention = [] }: TenantDocument): readonly RetentionRule[] {
    return retention;
  }
}
