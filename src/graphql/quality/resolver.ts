import "reflect-metadata";
import { Arg, Ctx, ID, Query, Resolver } from "type-graphql";
import { deviceId as checkedDeviceId } from "../../domain/ids.js";
import type { QualityHour } from "../../ingest/index.js";
import { FleetlogError } from "../../platform/errors.js";
import type { GraphqlContext } from "../context.js";
import { tenantOf } from "../context.js";
import type { GraphqlDeps } from "../deps.js";
import { DateTime } from "../scalars.js";
import { DeviceQualityHour } from "./type.js";

const DAY_MS = 86_400_000;

@Resolver()
export class QualityResolver {
  readonly #deps: Pick<GraphqlDeps, "readModels" | "telemetry" | "quality">;

  constructor(deps: Pick<GraphqlDeps, "readModels" | "telemetry" | "quality">) {
    this.#deps = deps;
  }

  @Query(() => [DeviceQualityHour], {
    complexity: 50,
    description:
      "A score of a device's data for each hour, oldest first; at most 31 days. Hours without values are there where values were expected.",
  })
  async deviceQuality(
    @Ctx() context: GraphqlContext,
    @Arg("deviceId", () => ID) id: string,
    @Arg("from", () => DateTime, {
      nullable: true,
      description: "The hour that it lies in is included; a day before `to` when left out.",
    })
    from?: Date | null,
    @Arg("to", () => DateTime, { nullable: true, description: "Not included; now when left out." })
    to?: Date | null,
  ): Promise<readonly QualityHour[]> {
    const tenantId = tenantOf(context);
    const end = to?.getTime() ?? Date.now();
    const start = from?.getTime() ?? end - DAY_MS;
    if (!(start < end)) throw new FleetlogError("BAD_REQUEST", "`from` must be before `to`");
    const { readModels, telemetry, quality } = this.#deps;
    const device = await readModels.devices.find(tenantId, checkedDeviceId(id));
    if (device === undefined) throw new FleetlogError("NOT_FOUND", `there is no device ${id} in this tenant`);
    const type = await readModels.deviceTypes.find(tenantId, device.deviceType);
    // A type that is not defined takes any metric: those that the device has sent.
    const metrics =
      type?.metrics ?? (await telemetry.latest(tenantId, device.deviceId)).map(({ metric: name }) => ({ name }));
    return quality.hours(tenantId, device.deviceId, {
      metrics: metrics.map(({ name }) => name),
      from: start,
      to: end,
      ...(type?.reportEvery === undefined ? {} : { reportEvery: type.reportEvery }),
    });
  }
}
