import "reflect-metadata";
import { Arg, Field, Int, Mutation, ObjectType, Query, Resolver, registerEnumType } from "type-graphql";
import type { RebuildDocument } from "../../projections/index.js";
import type { GraphqlDeps } from "../deps.js";
import { DateTime } from "../scalars.js";

const RebuildState = {
  RUNNING: "RUNNING",
  DONE: "DONE",
  FAILED: "FAILED",
} as const satisfies { readonly [S in RebuildDocument["state"]]: S };
registerEnumType(RebuildState, { name: "RebuildState" });

@ObjectType({ description: "How a read model is built anew from the history, beside the live one." })
export class ProjectionRebuild {
  @Field(() => String)
  readonly projection!: string;

  @Field(() => RebuildState)
  readonly state!: RebuildDocument["state"];

  @Field(() => Int, { description: "Read so far." })
  readonly events!: number;

  @Field(() => DateTime)
  readonly startedAt!: string;

  @Field(() => DateTime, { nullable: true })
  readonly finishedAt?: string;

  @Field(() => String, { nullable: true })
  readonly error?: string;
}

@ObjectType()
export class RebuildProjectionPayload {
  @Field(() => ProjectionRebuild)
  readonly rebuild!: ProjectionRebuild;
}

@Resolver()
export class PlatformOpsResolver {
  readonly #deps: Pick<GraphqlDeps, "rebuildProjection" | "rebuilds">;

  constructor(deps: Pick<GraphqlDeps, "rebuildProjection" | "rebuilds">) {
    this.#deps = deps;
  }

  @Query(() => [ProjectionRebuild], { description: "The last rebuild of each read model that ever had one." })
  async rebuilds(): Promise<readonly ProjectionRebuild[]> {
    return (await this.#deps.rebuilds.all()).map(shown);
  }

  @Mutation(() => RebuildProjectionPayload, {
    description:
      "Begins a rebuild, and returns; `rebuilds` tells how it goes. Readers see the old model until the new one has caught up.",
  })
  async rebuildProjection(@Arg("name", () => String) name: string): Promise<RebuildProjectionPayload> {
    return { rebuild: shown(await this.#deps.rebuildProjection(name)) };
  }
}

function shown({ _id: projection, ...rest }: RebuildDocument): ProjectionRebuild {
  return { projection, ...rest };
}
