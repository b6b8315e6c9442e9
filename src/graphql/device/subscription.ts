import "reflect-metadata";
import { Arg, ID, Resolver, Root, Subscription } from "type-graphql";
import { deviceId } from "../../domain/ids.js";
import { subjects } from "../../platform/subjects.js";
import type { DeviceDocument } from "../../projections/index.js";
import type { ChangeNote } from "../change-note.js";
import { changedDocument } from "../change-note.js";
import type { GraphqlContext } from "../context.js";
import { tenantOf } from "../context.js";
import { Device } from "./type.js";

interface DeviceChangedArgs {
  readonly deviceId?: string | null;
}

@Resolver()
export class DeviceSubscriptionResolver {
  @Subscription(() => Device, {
    description: "Each device of your tenant that changes, or the one named, once queries show it.",
    subscribe: ({ args, context }) => deviceChanges(args as DeviceChangedArgs, context as GraphqlContext),
  })
  deviceChanged(
    @Root() device: DeviceDocument,
    @Arg("deviceId", () => ID, { nullable: true }) _deviceId?: string | null,
  ): DeviceDocument {
    return device;
  }
}

function deviceChanges(args: DeviceChangedArgs, context: GraphqlContext): AsyncIterable<unknown> {
  const tenantId = tenantOf(context);
  // Checked before it becomes part of a subject: "*" and ">" are no ids.
  const id = args.deviceId === null || args.deviceId === undefined ? "*" : deviceId(args.deviceId);
  return context.feed.subscribe(subjects.changed("device", tenantId, id), (message) =>
    changedDocument(message as ChangeNote<DeviceDocument>, tenantId),
  );
}
