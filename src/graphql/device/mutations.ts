import "reflect-metadata";
import { Arg, Ctx, Mutation, Resolver } from "type-graphql";
import { newApiKey } from "../../commands/index.js";
import type { Calibration, DetailChanges, DeviceCommand } from "../../domain/device/index.js";
import { credentialId, deviceId, deviceTypeId } from "../../domain/ids.js";
import type { DeviceId, TenantId } from "../../domain/ids.js";
import { FleetlogError } from "../../platform/errors.js";
import { derivedId } from "../../platform/ids.js";
import type { CommandOutcome } from "../../commands/index.js";
import type { GraphqlContext } from "../context.js";
import { tenantOf } from "../context.js";
import type { GraphqlDeps } from "../deps.js";
import { given } from "../given.js";
import type { MutationDeps } from "../mutate.js";
import { commandIdOf, decideAndShow, now } from "../mutate.js";
import type { DeviceInput, UpdateDeviceInput } from "./input.js";
import {
  AssignGatewayInput,
  DeviceInput as PlainDeviceInput,
  DeviceStepInput,
  IssueCredentialInput,
  RegisterDeviceInput,
  RevokeCredentialInput,
  SetDeviceCalibrationInput,
  SetDeviceConfigurationInput,
  UpdateDeviceInput as UpdateInput,
} from "./input.js";
import { DevicePayload, IssueCredentialPayload } from "./payload.js";
import type { DeviceView } from "./type.js";

@Resolver()
export class DeviceMutationsResolver {
  readonly #deps: MutationDeps & Pick<GraphqlDeps, "readModels">;

  constructor(deps: MutationDeps & Pick<GraphqlDeps, "readModels">) {
    this.#deps = deps;
  }

  @Mutation(() => DevicePayload)
  async registerDevice(
    @Ctx() context: GraphqlContext,
    @Arg("input", () => RegisterDeviceInput) input: RegisterDeviceInput,
  ): Promise<DevicePayload> {
    const data = {
      tenantId: tenantOf(context),
      deviceId: deviceId(input.deviceId),
      deviceType: deviceTypeId(input.deviceType),
      ...given(detailsOf(input)),
    };
    return this.#give(context, input, { type: "RegisterDevice", at: now(), data });
  }

  @Mutation(() => DevicePayload)
  async updateDevice(
    @Ctx() context: GraphqlContext,
    @Arg("input", () => UpdateInput) input: UpdateDeviceInput,
  ): Promise<DevicePayload> {
    return this.#give(context, input, { type: "ChangeDeviceDetails", at: now(), data: detailsOf(input) });
  }

  @Mutation(() => DevicePayload)
  async activateDevice(
    @Ctx() context: GraphqlContext,
    @Arg("input", () => PlainDeviceInput) input: DeviceInput,
  ): Promise<DevicePayload> {
    return this.#give(context, input, { type: "ActivateDevice", at: now(), data: {} });
  }

  @Mutation(() => DevicePayload)
  async deactivateDevice(
    @Ctx() context: GraphqlContext,
    @Arg("input", () => DeviceStepInput) input: DeviceStepInput,
  ): Promise<DevicePayload> {
    return this.#give(context, input, { type: "DeactivateDevice", at: now(), data: reasonOf(input) });
  }

  @Mutation(() => DevicePayload, { description: "A device in maintenance is listened to, and raises no alerts." })
  async startMaintenance(
    @Ctx() context: GraphqlContext,
    @Arg("input", () => DeviceStepInput) input: DeviceStepInput,
  ): Promise<DevicePayload> {
    return this.#give(context, input, { type: "StartMaintenance", at: now(), data: reasonOf(input) });
  }

  @Mutation(() => DevicePayload)
  async endMaintenance(
    @Ctx() context: GraphqlContext,
    @Arg("input", () => PlainDeviceInput) input: DeviceInput,
  ): Promise<DevicePayload> {
    return this.#give(context, input, { type: "EndMaintenance", at: now(), data: {} });
  }

  @Mutation(() => DevicePayload, { description: "For good: a decommissioned device never comes back." })
  async decommissionDevice(
    @Ctx() context: GraphqlContext,
    @Arg("input", () => DeviceStepInput) input: DeviceStepInput,
  ): Promise<DevicePayload> {
    return this.#give(context, input, { type: "DecommissionDevice", at: now(), data: reasonOf(input) });
  }

  @Mutation(() => IssueCredentialPayload)
  async issueCredential(
    @Ctx() context: GraphqlContext,
    @Arg("input", () => IssueCredentialInput) input: IssueCredentialInput,
  ): Promise<IssueCredentialPayload> {
    const commandId = commandIdOf(input.commandId);
    const { label, expiresAt } = given(input);
    const { key, hash } = newApiKey();
    const at = now();
    const data = {
      // Derived, so that a retry that comes after its first outcome was forgotten still finds its credential there.
      credentialId: credentialId(derivedId("credential", tenantOf(context), input.deviceId, commandId)),
      credentialType: "API_KEY",
      hash,
      ...(label === undefined ? {} : { label }),
      ...(expiresAt === undefined ? {} : { expiresAt: expiresAt.toISOString() }),
    } as const;
    const command: DeviceCommand = { type: "IssueCredential", at, data };
    const { outcome, thing, shown } = await this.#decide(context, { deviceId: input.deviceId, commandId }, command);
    const { hash: _hash, credentialType: type, ...rest } = data;
    const known = thing?.credentials.find((credential) => credential.credentialId === data.credentialId);
    // What an earlier try stored is another key's hash: the new key opens nothing, and is not shown.
    const isOurs = outcome.changed && !outcome.retried;
    return new IssueCredentialPayload(thing, shown, {
      credential: known ?? { ...rest, type, issuedAt: at },
      apiKey: isOurs ? key : undefined,
    });
  }

  @Mutation(() => DevicePayload, { description: "Live sessions that logged in with it end." })
  async revokeCredential(
    @Ctx() context: GraphqlContext,
    @Arg("input", () => RevokeCredentialInput) input: RevokeCredentialInput,
  ): Promise<DevicePayload> {
    const data = { credentialId: credentialId(input.credentialId), ...reasonOf(input) };
    return this.#give(context, input, { type: "RevokeCredential", at: now(), data });
  }

  @Mutation(() => DevicePayload, { description: "Replaces the desired configuration; it is sent to the device." })
  async setDeviceConfiguration(
    @Ctx() context: GraphqlContext,
    @Arg("input", () => SetDeviceConfigurationInput) input: SetDeviceConfigurationInput,
  ): Promise<DevicePayload> {
    const { config, expectedVersion } = given(input);
    const data = { config, ...(expectedVersion === undefined ? {} : { expectedVersion }) };
    return this.#give(context, input, { type: "SetConfiguration", at: now(), data });
  }

  @Mutation(() => DevicePayload, {
    description: "Replaces the whole calibration; it is in force for what comes from now on.",
  })
  async setDeviceCalibration(
    @Ctx() context: GraphqlContext,
    @Arg("input", () => SetDeviceCalibrationInput) input: SetDeviceCalibrationInput,
  ): Promise<DevicePayload> {
    const calibration = calibrationOf(input);
    await this.#requireNumbers(tenantOf(context), deviceId(input.deviceId), Object.keys(calibration));
    return this.#give(context, input, { type: "SetCalibration", at: now(), data: { calibration } });
  }

  @Mutation(() => DevicePayload, {
    description: "From now on the gateway, and no other device, may speak for this one.",
  })
  async assignGateway(
    @Ctx() context: GraphqlContext,
    @Arg("input", () => AssignGatewayInput) input: AssignGatewayInput,
  ): Promise<DevicePayload> {
    const data = { gatewayId: deviceId(input.gatewayId) };
    return this.#give(context, input, { type: "AssignGateway", at: now(), data });
  }

  @Mutation(() => DevicePayload, { description: "From now on the device speaks for itself alone." })
  async removeGateway(
    @Ctx() context: GraphqlContext,
    @Arg("input", () => PlainDeviceInput) input: DeviceInput,
  ): Promise<DevicePayload> {
    return this.#give(context, input, { type: "RemoveGateway", at: now(), data: {} });
  }

  /** What the type as it stands calls a text or a truth value cannot be scaled: said now, to the one who mixed names up. */
  async #requireNumbers(tenantId: TenantId, id: DeviceId, metrics: readonly string[]): Promise<void> {
    const { devices, deviceTypes } = this.#deps.readModels;
    const device = await devices.find(tenantId, id);
    const type = device === undefined ? undefined : await deviceTypes.find(tenantId, device.deviceType);
    for (const { name, kind } of type?.metrics ?? []) {
      if (kind === "number" || !metrics.includes(name)) continue;
      throw new FleetlogError("INVALID_VALUE", `metric ${name} is a ${kind}: only numbers are calibrated`);
    }
  }

  async #give(context: GraphqlContext, input: DeviceInput, command: DeviceCommand): Promise<DevicePayload> {
    const { thing, shown } = await this.#decide(context, input, command);
    return new DevicePayload(thing, shown);
  }

  #decide(
    context: GraphqlContext,
    input: Pick<DeviceInput, "deviceId" | "commandId">,
    command: DeviceCommand,
  ): Promise<{ readonly outcome: CommandOutcome; readonly thing: DeviceView | undefined; readonly shown: boolean }> {
    const tenantId = tenantOf(context);
    const id = deviceId(input.deviceId);
    return decideAndShow<"device", DeviceView>(
      this.#deps,
      context,
      { category: "device", tenantId, id, command, commandId: commandIdOf(input.commandId) },
      () => this.#deps.readModels.devices.find(tenantId, id),
    );
  }
}

/** Null stays: it takes a field away. */
function detailsOf(input: UpdateDeviceInput): DetailChanges {
  const { name, description, manufacturer, model, firmwareVersion, location, metadata } = input;
  const placed = location === null || location === undefined ? location : given(location);
  const details = { name, description, manufacturer, model, firmwareVersion, location: placed, metadata };
  return Object.fromEntries(Object.entries(details).filter(([, value]) => value !== undefined)) as DetailChanges;
}

/** By metric, as the domain has it. Throws INVALID_VALUE where one is named twice: which would be meant? */
function calibrationOf({ calibration }: SetDeviceCalibrationInput): Readonly<Record<string, Calibration>> {
  const byMetric = new Map<string, Calibration>();
  for (const { metric, offset, scale } of calibration) {
    if (byMetric.has(metric)) throw new FleetlogError("INVALID_VALUE", `metric ${metric} is calibrated twice`);
    byMetric.set(metric, { offset, scale });
  }
  return Object.fromEntries(byMetric);
}

function reasonOf({ reason }: { readonly reason?: string | null }): { readonly reason?: string } {
  return given({ reason });
}
