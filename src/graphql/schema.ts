import "reflect-metadata";
import type { GraphQLSchema } from "graphql";
import { lexicographicSortSchema, printSchema } from "graphql";
import type { PubSub } from "type-graphql";
import { buildSchemaSync } from "type-graphql";
import { AlertRuleResolver } from "./alert-rule/resolver.js";
import { AlertResolver } from "./alert/resolver.js";
import { AlertSubscriptionResolver } from "./alert/subscription.js";
import type { GraphqlDeps } from "./deps.js";
import { DeviceTypeResolver } from "./device-type/resolver.js";
import { DeviceMutationsResolver } from "./device/mutations.js";
import { DeviceQueriesResolver } from "./device/queries.js";
import { DeviceSubscriptionResolver } from "./device/subscription.js";
import { guardRootFields } from "./permissions.js";
import { PlatformOpsResolver } from "./platform-ops/resolver.js";
import { QualityResolver } from "./quality/resolver.js";
import { RejectionResolver } from "./rejection/resolver.js";
import { RetentionPreviewResolver } from "./telemetry/retention.js";
import { TelemetryResolver } from "./telemetry/resolver.js";
import { TelemetrySubscriptionResolver } from "./telemetry/subscription.js";
import { TenantFieldsResolver, TenantResolver } from "./tenant/resolver.js";
import { UsageResolver } from "./usage/resolver.js";

type ResolverClass = new (deps: GraphqlDeps) => object;

const resolverClasses = [
  TenantResolver,
  TenantFieldsResolver,
  DeviceTypeResolver,
  DeviceQueriesResolver,
  DeviceMutationsResolver,
  DeviceSubscriptionResolver,
  TelemetryResolver,
  RetentionPreviewResolver,
  TelemetrySubscriptionResolver,
  AlertRuleResolver,
  AlertResolver,
  AlertSubscriptionResolver,
  RejectionResolver,
  QualityResolver,
  UsageResolver,
  PlatformOpsResolver,
] as const satisfies readonly [ResolverClass, ...ResolverClass[]];

/** type-graphql asks for one where there are subscriptions; ours all bring their own source, the change feed. */
const noPubSub: PubSub = {
  publish: () => {
    throw new Error("changes are published by projections, over NATS");
  },
  subscribe: () => {
    throw new Error("a subscription must bring its own source: see change-feed.ts");
  },
};

/** The executable schema, every root field guarded. A resolver is made once, with the dependencies given. */
export function createGraphqlSchema(deps: GraphqlDeps): GraphQLSchema {
  const instances = new Map<unknown, object>(resolverClasses.map((resolver) => [resolver, new resolver(deps)]));
  const schema = buildSchemaSync({
    resolvers: [...resolverClasses],
    container: { get: (resolver) => instances.get(resolver) },
    pubSub: noPubSub,
    // The domain checks every value, whatever door it came through.
    validate: false,
  });
  guardRootFields(schema);
  return schema;
}

/** The schema's text, as `schema.graphql` holds it: sorted, so that a diff shows changes and nothing else. */
export function printFleetlogSchema(): string {
  // Printing resolves nothing: no resolver is ever asked.
  const schema = createGraphqlSchema({} as GraphqlDeps);
  return `# Printed by scripts/print-schema.mjs; a test holds it to the code.\n\n${printSchema(lexicographicSortSchema(schema))}\n`;
}
