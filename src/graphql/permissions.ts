import type { GraphQLFieldResolver, GraphQLObjectType, GraphQLSchema } from "graphql";
import { defaultFieldResolver } from "graphql";
import { PLATFORM } from "../commands/index.js";
import type { UserRole } from "../commands/index.js";
import { FleetlogError } from "../platform/errors.js";
import { Overflow } from "./bounded-feed.js";
import type { GraphqlContext } from "./context.js";
import { tenantOf } from "./context.js";

/**
 * Whom a field answers.
 * - `anyone`: whoever has a good token;
 * - `platform`: administrators of the platform, whose tokens see no tenant's data;
 * - a list of roles: those, within their own tenant. For mutations the commands' own table decides again.
 */
type Audience = "anyone" | "platform" | readonly UserRole[];

const READERS = ["ADMIN", "OPERATOR", "VIEWER", "AUDITOR"] as const;
const AUDITORS = ["ADMIN", "AUDITOR"] as const;
const OPERATORS = ["ADMIN", "OPERATOR"] as const;
const ADMINS = ["ADMIN"] as const;

/** Every root field has its line here, or the schema is not built: what is forgotten is closed, not open. */
const audiences: Readonly<Record<string, Audience>> = {
  "Query.me": "anyone",
  "Query.tenant": READERS,
  "Query.device": READERS,
  "Query.devices": READERS,
  "Query.deviceEvents": AUDITORS,
  "Query.deviceType": READERS,
  "Query.deviceTypes": READERS,
  "Query.latestTelemetry": READERS,
  "Query.telemetry": READERS,
  "Query.deviceQuality": READERS,
  "Query.usage": READERS,
  "Query.retentionPreview": ADMINS,
  "Query.alert": READERS,
  "Query.alerts": READERS,
  "Query.alertRule": READERS,
  "Query.alertRules": READERS,
  "Query.rejections": READERS,
  "Query.rejectionCounts": READERS,
  "Query.rebuilds": "platform",

  "Mutation.createTenant": "platform",
  "Mutation.setTenantLimits": "platform",
  "Mutation.setRetention": ADMINS,
  "Mutation.rebuildProjection": "platform",
  "Mutation.defineDeviceType": ADMINS,
  "Mutation.registerDevice": OPERATORS,
  "Mutation.updateDevice": OPERATORS,
  "Mutation.activateDevice": OPERATORS,
  "Mutation.deactivateDevice": OPERATORS,
  "Mutation.startMaintenance": OPERATORS,
  "Mutation.endMaintenance": OPERATORS,
  "Mutation.decommissionDevice": ADMINS,
  "Mutation.issueCredential": ADMINS,
  "Mutation.revokeCredential": ADMINS,
  "Mutation.setDeviceConfiguration": OPERATORS,
  "Mutation.setDeviceCalibration": OPERATORS,
  "Mutation.assignGateway": OPERATORS,
  "Mutation.removeGateway": OPERATORS,
  "Mutation.createAlertRule": OPERATORS,
  "Mutation.updateAlertRule": OPERATORS,
  "Mutation.enableAlertRule": OPERATORS,
  "Mutation.disableAlertRule": OPERATORS,
  "Mutation.replayRejections": OPERATORS,
  "Mutation.acknowledgeAlert": OPERATORS,
  "Mutation.resolveAlert": OPERATORS,

  "Subscription.alertChanged": READERS,
  "Subscription.deviceChanged": READERS,
  "Subscription.telemetryReceived": READERS,
};

/** Throws UNAUTHENTICATED when the session has ended, FORBIDDEN when it is not one that `field` answers. */
function authorizeField(field: string, audience: Audience, context: GraphqlContext): void {
  if (context.expiresAt <= Date.now()) {
    throw new FleetlogError("UNAUTHENTICATED", "the token has expired: get a new one");
  }
  if (audience === "anyone") return;
  const { actor } = context;
  if (audience === "platform") {
    if (actor.tenantId === PLATFORM && actor.role === "ADMIN") return;
    throw new FleetlogError("FORBIDDEN", `${field} takes a platform administrator's token`);
  }
  tenantOf(context);
  if (!audience.includes(actor.role)) {
    throw new FleetlogError("FORBIDDEN", `${field} takes the role ${audience.join(" or ")}, not ${actor.role}`);
  }
}

/**
 * Puts the check in front of every root field's resolver. A subscription's runs when it begins and again for every
 * event, so a session that ends, ends there too. Throws when a root field has no line in the table.
 */
export function guardRootFields(schema: GraphQLSchema): void {
  for (const type of [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()]) {
    if (type !== null && type !== undefined) guard(type);
  }
}

function guard(type: GraphQLObjectType<unknown, GraphqlContext>): void {
  for (const field of Object.values(type.getFields())) {
    const name = `${type.name}.${field.name}`;
    const audience = audiences[name];
    if (audience === undefined) throw new Error(`${name} has no line in permissions.ts: say whom it answers`);
    const guarded = (resolve: GraphQLFieldResolver<unknown, GraphqlContext>) => {
      const check: GraphQLFieldResolver<unknown, GraphqlContext> = (source, args, context, info) => {
        if (source instanceof Overflow) throw tooSlow(source);
        authorizeField(field.name, audience, context);
        return resolve(source, args, context, info);
      };
      return check;
    };
    field.resolve = guarded(field.resolve ?? defaultFieldResolver);
    if (field.subscribe !== undefined) field.subscribe = guarded(field.subscribe);
  }
}

function tooSlow({ bound }: Overflow): FleetlogError {
  return new FleetlogError(
    "LIMIT_EXCEEDED",
    `more than ${bound} events were waiting to be read, and were given up: query what you follow, then subscribe again`,
    { bound },
  );
}
