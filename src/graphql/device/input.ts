import "reflect-metadata";
import { Field, Float, ID, InputType, Int } from "type-graphql";
import type { DeviceStatus as Status } from "../../domain/device/index.js";
import type { JsonObject as JsonObjectValue } from "../../domain/json.js";
import { SortDirection } from "../connection.js";
import { CommandInput } from "../command-input.js";
import { DateTime, JsonObject } from "../scalars.js";
import { DeviceSortField, DeviceStatus } from "./enums.js";

@InputType({ description: "Devices match every field given." })
export class DeviceFilterInput {
  @Field(() => String, { nullable: true })
  readonly deviceType?: string | null;

  @Field(() => [DeviceStatus], { nullable: true })
  readonly statuses?: readonly Status[] | null;

  @Field(() => Boolean, { nullable: true })
  readonly online?: boolean | null;

  @Field(() => String, { nullable: true })
  readonly site?: string | null;

  @Field(() => ID, { nullable: true, description: "Devices that this one may speak for." })
  readonly gateway?: string | null;

  @Field(() => String, { nullable: true, description: "Device ids that begin so." })
  readonly idPrefix?: string | null;
}

@InputType()
export class DeviceSortInput {
  @Field(() => DeviceSortField)
  readonly field: DeviceSortField = "ID";

  @Field(() => SortDirection)
  readonly direction: SortDirection = "ASC";
}

@InputType()
export class LocationInput {
  @Field(() => String, { nullable: true })
  readonly site?: string | null;

  @Field(() => Float, { nullable: true })
  readonly latitude?: number | null;

  @Field(() => Float, { nullable: true })
  readonly longitude?: number | null;
}

/** What a mutation of one device says at least. */
@InputType()
export class DeviceInput extends CommandInput {
  @Field(() => ID)
  readonly deviceId!: string;
}

@InputType({ description: "A field left out stays as it is; null takes it away." })
export class UpdateDeviceInput extends DeviceInput {
  @Field(() => String, { nullable: true })
  readonly name?: string | null;

  @Field(() => String, { nullable: true })
  readonly description?: string | null;

  @Field(() => String, { nullable: true })
  readonly manufacturer?: string | null;

  @Field(() => String, { nullable: true })
  readonly model?: string | null;

  @Field(() => String, { nullable: true })
  readonly firmwareVersion?: string | null;

  @Field(() => LocationInput, { nullable: true, description: "Replaces the whole location." })
  readonly location?: LocationInput | null;

  @Field(() => JsonObject, { nullable: true, description: "Replaces the whole metadata." })
  readonly metadata?: JsonObjectValue | null;
}

@InputType({ description: "The id is 1 to 64 of the letters A-Z a-z, digits, _ and -." })
export class RegisterDeviceInput extends UpdateDeviceInput {
  @Field(() => String)
  readonly deviceType!: string;
}

@InputType()
export class DeviceStepInput extends DeviceInput {
  @Field(() => String, { nullable: true, description: "Why; it stands in the history." })
  readonly reason?: string | null;
}

@InputType()
export class IssueCredentialInput extends DeviceInput {
  @Field(() => String, { nullable: true })
  readonly label?: string | null;

  @Field(() => DateTime, { nullable: true, description: "It ends then; left out, it holds until it is revoked." })
  readonly expiresAt?: Date | null;
}

@InputType()
export class RevokeCredentialInput extends DeviceInput {
  @Field(() => ID)
  readonly credentialId!: string;

  @Field(() => String, { nullable: true })
  readonly reason?: string | null;
}

@InputType()
export class SetDeviceConfigurationInput extends DeviceInput {
  @Field(() => JsonObject)
  readonly config!: JsonObjectValue;

  @Field(() => Int, {
    nullable: true,
    description: "The version that you saw last, 0 for none: refused with VERSION_CONFLICT when it is not the newest.",
  })
  readonly expectedVersion?: number | null;
}

@InputType()
export class MetricCalibrationInput {
  @Field(() => String)
  readonly metric!: string;

  @Field(() => Float, { description: "Added after scaling." })
  readonly offset: number = 0;

  @Field(() => Float, { description: "What the raw value is multiplied by; never 0." })
  readonly scale: number = 1;
}

@InputType()
export class SetDeviceCalibrationInput extends DeviceInput {
  @Field(() => [MetricCalibrationInput], {
    description: "The whole calibration: a metric that is not in it is taken as it comes.",
  })
  readonly calibration!: readonly MetricCalibrationInput[];
}

@InputType()
export class AssignGatewayInput extends DeviceInput {
  @Field(() => ID, { description: "A device of your tenant, and not the device itself." })
  readonly gatewayId!: string;
}
