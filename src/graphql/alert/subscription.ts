import "reflect-metadata";
import { Arg, ID, Resolver, Root, Subscription } from "type-graphql";
import type { AlertStatus as Status } from "../../domain/alert/index.js";
import type { Severity as SeverityName } from "../../domain/alert-rule/index.js";
import { deviceId } from "../../domain/ids.js";
import { subjects } from "../../platform/subjects.js";
import type { AlertDocument } from "../../projections/index.js";
import { Severity } from "../alert-rule/enums.js";
import type { ChangeNote } from "../change-note.js";
import { changedDocument } from "../change-note.js";
import type { GraphqlContext } from "../context.js";
import { tenantOf } from "../context.js";
import { AlertStatus } from "./enums.js";
import { Alert } from "./type.js";

interface AlertChangedArgs {
  readonly deviceId?: string | null;
  readonly severities?: readonly SeverityName[] | null;
  readonly statuses?: readonly Status[] | null;
}

@Resolver()
export class AlertSubscriptionResolver {
  @Subscription(() => Alert, {
    description: "Each alert of your tenant that is raised, acknowledged or resolved, once queries show it.",
    subscribe: ({ args, context }) => alertChanges(args as AlertChangedArgs, context as GraphqlContext),
  })
  alertChanged(
    @Root() alert: AlertDocument,
    @Arg("deviceId", () => ID, { nullable: true }) _deviceId?: string | null,
    @Arg("severities", () => [Severity], { nullable: true }) _severities?: readonly SeverityName[] | null,
    @Arg("statuses", () => [AlertStatus], { nullable: true }) _statuses?: readonly Status[] | null,
  ): AlertDocument {
    return alert;
  }
}

function alertChanges(args: AlertChangedArgs, context: GraphqlContext): AsyncIterable<unknown> {
  const tenantId = tenantOf(context);
  const { severities, statuses } = args;
  const device = args.deviceId === null || args.deviceId === undefined ? undefined : deviceId(args.deviceId);
  return context.feed.subscribe(subjects.changed("alert", tenantId, "*"), (message) => {
    const alert = changedDocument(message as ChangeNote<AlertDocument>, tenantId);
    if (alert === undefined || (device !== undefined && alert.deviceId !== device)) return undefined;
    const wanted = (severities?.includes(alert.severity) ?? true) && (statuses?.includes(alert.status) ?? true);
    return wanted ? alert : undefined;
  });
}
