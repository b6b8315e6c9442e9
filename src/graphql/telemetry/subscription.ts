import "reflect-metadata";
import { Arg, ID, Resolver, Root, Subscription } from "type-graphql";
import { deviceId as checkedDeviceId } from "../../domain/ids.js";
import { subjects } from "../../platform/subjects.js";
import type { GraphqlContext } from "../context.js";
import { tenantOf } from "../context.js";
import { flagsOf } from "./latest.js";
import type { LiveReading } from "./type.js";
import { TelemetryReading } from "./type.js";

interface TelemetryReceivedArgs {
  readonly deviceId: string;
  readonly metrics?: readonly string[] | null;
}

/** What `fleetlog.{tenant}.telemetry.{device}` carries. Times are milliseconds since the epoch. */
interface PublishedReading {
  readonly ts: number;
  readonly receivedAt: number;
  readonly deviceType: string;
  readonly values: LiveReading["values"];
  /** Flags by metric, joined by "|". */
  readonly quality?: Readonly<Record<string, string>>;
}

@Resolver()
export class TelemetrySubscriptionResolver {
  @Subscription(() => TelemetryReading, {
    description:
      "Each reading of a device as it comes, once it is stored; with `metrics`, those of them that it holds.",
    subscribe: ({ args, context }) => readings(args as TelemetryReceivedArgs, context as GraphqlContext),
  })
  telemetryReceived(
    @Root() reading: LiveReading,
    @Arg("deviceId", () => ID) _deviceId: string,
    @Arg("metrics", () => [String], { nullable: true }) _metrics?: readonly string[] | null,
  ): LiveReading {
    return reading;
  }
}

function readings({ deviceId: id, metrics }: TelemetryReceivedArgs, context: GraphqlContext): AsyncIterable<unknown> {
  // Checked before it becomes part of a subject: "*" and ">" are no ids.
  const deviceId = checkedDeviceId(id);
  return context.feed.subscribe(subjects.telemetry(tenantOf(context), deviceId), (message) => {
    const { ts, receivedAt, deviceType, values, quality = {} } = message as PublishedReading;
    const wanted = metrics === null || metrics === undefined ? values : chosen(values, metrics);
    if (Object.keys(wanted).length === 0) return undefined;
    const flags = Object.entries(quality).filter(([metric]) => Object.hasOwn(wanted, metric));
    return {
      deviceId,
      deviceType,
      timestamp: ts,
      receivedAt,
      values: wanted,
      quality: Object.fromEntries(flags.map(([metric, joined]) => [metric, flagsOf(joined)])),
    } satisfies LiveReading;
  });
}

function chosen(values: LiveReading["values"], metrics: readonly string[]): LiveReading["values"] {
  return Object.fromEntries(Object.entries(values).filter(([metric]) => metrics.includes(metric)));
}
