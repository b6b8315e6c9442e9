import "reflect-metadata";
import { Field, ObjectType } from "type-graphql";
import { Payload } from "../payload.js";
import type { DeviceView } from "./type.js";
import { Credential, Device } from "./type.js";

@ObjectType()
export class DevicePayload extends Payload {
  @Field(() => Device, { nullable: true })
  readonly device: DeviceView | undefined;

  constructor(device: DeviceView | undefined, shown: boolean) {
    super(shown);
    this.device = device;
  }
}

@ObjectType()
export class IssueCredentialPayload extends DevicePayload {
  @Field(() => Credential)
  readonly credential: Credential;

  @Field(() => String, {
    nullable: true,
    description:
      "The key, shown this once and kept nowhere. Null when this was a retry of an issue that happened before.",
  })
  readonly apiKey: string | undefined;

  constructor(
    device: DeviceView | undefined,
    shown: boolean,
    issued: { readonly credential: Credential; readonly apiKey: string | undefined },
  ) {
    super(device, shown);
    this.credential = issued.credential;
    this.apiKey = issued.apiKey;
  }
}
