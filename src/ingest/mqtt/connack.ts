/** What a client that may speak is told in CONNACK: how its session is kept, and what of MQTT is offered. */
import type { IConnackPacket, IConnectPacket } from "mqtt-packet";
import { RECEIVE_MAXIMUM } from "./answers.js";
import type { Admitted } from "./login.js";
import type { Version } from "./packets.js";
import { reasons, returnCodes } from "./reasons.js";
import { TOPIC_ALIAS_MAXIMUM } from "./topic-aliases.js";

/** Seconds; version 5 is told. A client that wants none, or a longer one, could be gone for hours unseen. */
const MAX_KEEP_ALIVE = 3_600;

export interface Terms {
  readonly version: Version;
  /** There was a session already. */
  readonly isPresent: boolean;
  readonly expirySeconds: number;
  /** Seconds. */
  readonly keepAlive: number;
  readonly maxPacketBytes: number;
}

export function connackOf(
  packet: IConnectPacket,
  { access, clientId, assigned }: Admitted,
  { version, isPresent, expirySeconds, keepAlive, maxPacketBytes }: Terms,
): IConnackPacket {
  // Version 3.1 has no such flag.
  const sessionPresent = isPresent && version > 3;
  if (version !== 5) return { cmd: "connack", sessionPresent, returnCode: returnCodes.accepted };
  const { sessionExpiryInterval: asked = 0, requestResponseInformation: wantsTopic } = packet.properties ?? {};
  const responseInformation = `v1/${access.tenantId}/${access.deviceId}/responses`;
  return {
    cmd: "connack",
    sessionPresent,
    reasonCode: reasons.success,
    properties: {
      receiveMaximum: RECEIVE_MAXIMUM,
      retainAvailable: false,
      maximumPacketSize: maxPacketBytes,
      topicAliasMaximum: TOPIC_ALIAS_MAXIMUM,
      wildcardSubscriptionAvailable: true,
      subscriptionIdentifiersAvailable: true,
      sharedSubscriptionAvailable: false,
      ...(expirySeconds === asked ? {} : { sessionExpiryInterval: expirySeconds }),
      ...(keepAlive === (packet.keepalive ?? 0) ? {} : { serverKeepAlive: keepAlive }),
      ...(wantsTopic === true ? { responseInformation } : {}),
      ...(assigned ? { assignedClientIdentifier: clientId } : {}),
    },
  };
}

/** Seconds that the session outlives its connection. Version 3.1.1 asks for a clean session, or one that never ends. */
export function expiryOf({ clean, properties }: IConnectPacket, version: Version, max: number): number {
  const asked = version === 5 ? (properties?.sessionExpiryInterval ?? 0) : clean === true ? 0 : max;
  return Math.min(asked, max);
}

/** Seconds; 0 for none. */
export function keepAliveOf({ keepalive = 0 }: IConnectPacket, version: Version): number {
  if (version !== 5) return keepalive;
  return keepalive === 0 ? MAX_KEEP_ALIVE : Math.min(keepalive, MAX_KEEP_ALIVE);
}
