import "reflect-metadata";
import { Arg, Args, Ctx, Field, FieldResolver, ID, Mutation, ObjectType, Query, Resolver, Root } from "type-graphql";
import type { MetricDefinition as Metric, PayloadCodec as Codec } from "../../domain/device-type/index.js";
import { deviceTypeId } from "../../domain/ids.js";
import type { DeviceTypeDocument } from "../../projections/index.js";
import type { Connection } from "../connection.js";
import { PageArgs, connectionOf, pageRequest } from "../connection.js";
import type { GraphqlContext } from "../context.js";
import { tenantOf } from "../context.js";
import type { GraphqlDeps } from "../deps.js";
import { given } from "../given.js";
import type { MutationDeps } from "../mutate.js";
import { commandIdOf, decideAndShow, now } from "../mutate.js";
import { Payload } from "../payload.js";
import { domainFormats, domainKinds, shownFormats, shownKinds } from "./enums.js";
import type { MetricDefinitionInput, PayloadCodecInput } from "./input.js";
import { DefineDeviceTypeInput } from "./input.js";
import { DeviceType, DeviceTypeConnection, MetricDefinition, PayloadCodec } from "./type.js";

@ObjectType()
export class DeviceTypePayload extends Payload {
  @Field(() => DeviceType, { nullable: true })
  readonly deviceType: DeviceTypeDocument | undefined;

  constructor(deviceType: DeviceTypeDocument | undefined, shown: boolean) {
    super(shown);
    this.deviceType = deviceType;
  }
}

@Resolver(() => DeviceType)
export class DeviceTypeResolver {
  readonly #deps: MutationDeps & Pick<GraphqlDeps, "readModels">;

  constructor(deps: MutationDeps & Pick<GraphqlDeps, "readModels">) {
    this.#deps = deps;
  }

  @Query(() => DeviceType, { nullable: true, description: "Null where your tenant has not defined it." })
  deviceType(
    @Ctx() context: GraphqlContext,
    @Arg("deviceType", () => ID) deviceType: string,
  ): Promise<DeviceTypeDocument | undefined> {
    return this.#deps.readModels.deviceTypes.find(tenantOf(context), deviceTypeId(deviceType));
  }

  @Query(() => DeviceTypeConnection, { description: "By name." })
  async deviceTypes(
    @Ctx() context: GraphqlContext,
    @Args(() => PageArgs) page: PageArgs,
  ): Promise<Connection<DeviceTypeDocument>> {
    const { deviceTypes } = this.#deps.readModels;
    const tenantId = tenantOf(context);
    const found = await deviceTypes.page(tenantId, pageRequest(page, { field: "deviceType", descending: false }));
    return connectionOf(found, page, () => deviceTypes.count(tenantId));
  }

  @Mutation(() => DeviceTypePayload, { description: "Defines the type, or its next version." })
  async defineDeviceType(
    @Ctx() context: GraphqlContext,
    @Arg("input", () => DefineDeviceTypeInput) input: DefineDeviceTypeInput,
  ): Promise<DeviceTypePayload> {
    const tenantId = tenantOf(context);
    const deviceType = deviceTypeId(input.deviceType);
    const { codec, reportEvery } = given(input);
    const data = {
      tenantId,
      deviceType,
      metrics: input.metrics.map(metricOf),
      ...(codec === undefined ? {} : { codec: codecOf(codec) }),
      ...(reportEvery === undefined ? {} : { reportEvery }),
    };
    const { thing, shown } = await decideAndShow<"deviceType", DeviceTypeDocument>(
      this.#deps,
      context,
      {
        category: "deviceType",
        tenantId,
        id: deviceType,
        command: { type: "DefineDeviceType", at: now(), data },
        commandId: commandIdOf(input.commandId),
      },
      () => this.#deps.readModels.deviceTypes.find(tenantId, deviceType),
    );
    return new DeviceTypePayload(thing, shown);
  }

  @FieldResolver(() => [MetricDefinition])
  metrics(@Root() { metrics }: DeviceTypeDocument): readonly MetricDefinition[] {
    return metrics.map((metric) => ({ ...metric, kind: shownKinds[metric.kind] }));
  }

  @FieldResolver(() => PayloadCodec, {
    description: "How devices of the type write telemetry when a message does not say.",
  })
  codec(@Root() { codec = { format: "json" } }: DeviceTypeDocument): PayloadCodec {
    return { ...codec, format: shownFormats[codec.format] };
  }
}

function metricOf({ kind, quality, ...rest }: MetricDefinitionInput): Metric {
  const checks = quality === null || quality === undefined ? undefined : given(quality);
  return { ...given(rest), kind: domainKinds[kind], ...(checks === undefined ? {} : { quality: checks }) };
}

function codecOf({ format, protobuf }: PayloadCodecInput): Codec {
  const schema = protobuf === null || protobuf === undefined ? {} : { protobuf: given(protobuf) };
  return { format: domainFormats[format], ...schema };
}
