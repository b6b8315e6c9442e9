import "reflect-metadata";
import { Arg, Args, Ctx, FieldResolver, ID, Query, Resolver, Root } from "type-graphql";
import { deviceId as checkedDeviceId } from "../../domain/ids.js";
import { AlertConnection } from "../alert/type.js";
import { alertPage } from "../alert/page.js";
import type { Connection } from "../connection.js";
import { PageArgs, connectionOf, pageRequest } from "../connection.js";
import type { GraphqlContext } from "../context.js";
import { tenantOf } from "../context.js";
import type { GraphqlDeps } from "../deps.js";
import { given } from "../given.js";
import { DateTime } from "../scalars.js";
import { latestMetric } from "../telemetry/latest.js";
import { LatestMetric } from "../telemetry/type.js";
import { deviceSortFields } from "./enums.js";
import type { HistoryRange, ShownEvent } from "./history.js";
import { deviceAsOf, deviceHistory } from "./history.js";
import { DeviceFilterInput, DeviceSortInput } from "./input.js";
import type { DeviceView } from "./type.js";
import {
  Configuration,
  Credential,
  Device,
  DeviceConnection,
  DeviceEventConnection,
  MetricCalibration,
} from "./type.js";

@Resolver(() => Device)
export class DeviceQueriesResolver {
  readonly #deps: Pick<GraphqlDeps, "readModels" | "eventStore" | "telemetry">;

  constructor(deps: Pick<GraphqlDeps, "readModels" | "eventStore" | "telemetry">) {
    this.#deps = deps;
  }

  @Query(() => Device, { nullable: true, description: "Null where there is none of that id in your tenant." })
  async device(
    @Ctx() context: GraphqlContext,
    @Arg("id", () => ID) id: string,
    @Arg("asOf", () => DateTime, { nullable: true, description: "Show it as it stood then, from its history." })
    asOf?: Date | null,
  ): Promise<DeviceView | undefined> {
    const tenantId = tenantOf(context);
    const deviceId = checkedDeviceId(id);
    const { readModels, eventStore } = this.#deps;
    if (asOf === undefined || asOf === null) return readModels.devices.find(tenantId, deviceId);
    const document = await deviceAsOf(eventStore, tenantId, deviceId, asOf);
    return document === undefined ? undefined : { ...document, asOf };
  }

  @Query(() => DeviceConnection)
  async devices(
    @Ctx() context: GraphqlContext,
    @Args(() => PageArgs) page: PageArgs,
    @Arg("filter", () => DeviceFilterInput, { nullable: true }) filter?: DeviceFilterInput | null,
    @Arg("sort", () => DeviceSortInput, { nullable: true }) sort?: DeviceSortInput | null,
  ): Promise<Connection<DeviceView>> {
    const tenantId = tenantOf(context);
    const { devices } = this.#deps.readModels;
    const query = given(filter ?? {});
    const { field, direction } = sort ?? new DeviceSortInput();
    const order = { field: deviceSortFields[field], descending: direction === "DESC" };
    const found = await devices.page(tenantId, query, pageRequest(page, order));
    return connectionOf(found, page, () => devices.count(tenantId, query));
  }

  @Query(() => DeviceEventConnection, {
    complexity: 50,
    description: "A device's history, oldest first. For auditors and administrators.",
  })
  deviceEvents(
    @Ctx() context: GraphqlContext,
    @Arg("deviceId", () => ID) deviceId: string,
    @Args(() => PageArgs) page: PageArgs,
    @Arg("from", () => DateTime, { nullable: true, description: "Included." }) from?: Date | null,
    @Arg("to", () => DateTime, { nullable: true, description: "Not included." }) to?: Date | null,
  ): Promise<Connection<ShownEvent>> {
    const range: HistoryRange = given({ from, to });
    return deviceHistory(this.#deps.eventStore, tenantOf(context), checkedDeviceId(deviceId), range, page);
  }

  @FieldResolver(() => DateTime, { nullable: true, description: "When it was last heard, to within some seconds." })
  lastSeen(@Root() device: DeviceView, @Ctx() { loaders }: GraphqlContext): Promise<Date | undefined> | undefined {
    return device.asOf === undefined ? loaders.lastSeen.load(device.deviceId) : undefined;
  }

  @FieldResolver(() => [Credential], { description: "Those that hold, and the last revoked ones." })
  credentials(@Root() device: DeviceView): readonly Credential[] {
    return device.credentials.map(({ hash: _hash, ...shown }) => shown);
  }

  @FieldResolver(() => Configuration)
  configuration(@Root() { configuration }: DeviceView): Configuration {
    const { reported, status, ...desired } = configuration;
    return { desired, ...(reported === undefined ? {} : { reported }), ...(status === undefined ? {} : { status }) };
  }

  @FieldResolver(() => [MetricCalibration], {
    description: "By metric; a metric that is not here is taken as it comes.",
  })
  calibration(@Root() { calibration = {} }: DeviceView): readonly MetricCalibration[] {
    return Object.entries(calibration).map(([metric, { offset = 0, scale = 1 }]) => ({ metric, offset, scale }));
  }

  @FieldResolver(() => Device, {
    name: "gateway",
    nullable: true,
    description: "The device that may speak for this one.",
  })
  gatewayDevice(
    @Root() { gateway, asOf }: DeviceView,
    @Ctx() { loaders }: GraphqlContext,
  ): Promise<DeviceView | undefined> | undefined {
    return gateway === undefined || asOf !== undefined ? undefined : loaders.device.load(gateway);
  }

  @FieldResolver(() => AlertConnection, { nullable: true, description: "Newest first." })
  alerts(
    @Root() device: DeviceView,
    @Ctx() context: GraphqlContext,
    @Args(() => PageArgs) page: PageArgs,
  ): Promise<unknown> | undefined {
    if (device.asOf !== undefined) return undefined;
    return alertPage(this.#deps.readModels, tenantOf(context), { deviceId: device.deviceId }, "DESC", page);
  }

  @FieldResolver(() => [LatestMetric], {
    nullable: true,
    complexity: 25,
    description: "The newest value of each metric.",
  })
  async latestTelemetry(
    @Root() device: DeviceView,
    @Ctx() context: GraphqlContext,
  ): Promise<readonly LatestMetric[] | undefined> {
    if (device.asOf !== undefined) return undefined;
    return (await this.#deps.telemetry.latest(tenantOf(context), device.deviceId)).map(latestMetric);
  }
}
