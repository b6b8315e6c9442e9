import "reflect-metadata";
import { Arg, Ctx, FieldResolver, Mutation, Query, Resolver } from "type-graphql";
import { PLATFORM } from "../../commands/index.js";
import { tenantId as checkedTenantId } from "../../domain/ids.js";
import type { TenantDocument } from "../../projections/index.js";
import type { GraphqlContext } from "../context.js";
import type { GraphqlDeps } from "../deps.js";
import type { MutationDeps } from "../mutate.js";
import { commandIdOf, decideAndShow, now } from "../mutate.js";
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

  @Mutation(() => TenantPayload, { description: "Takes a platform administrator's token." })
  async createTenant(
    @Ctx() context: GraphqlContext,
    @Arg("input", () => CreateTenantInput) input: CreateTenantInput,
  ): Promise<TenantPayload> {
    const tenantId = checkedTenantId(input.tenantId);
    const { thing, shown } = await decideAndShow<"tenant", TenantDocument>(
      this.#deps,
      context,
      {
        category: "tenant",
        tenantId,
        id: tenantId,
        command: { type: "CreateTenant", at: now(), data: { tenantId, name: input.name } },
        commandId: commandIdOf(input.commandId),
      },
      () => this.#deps.readModels.tenants.find(tenantId),
    );
    return new TenantPayload(thing, shown);
  }
}
