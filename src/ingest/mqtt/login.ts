/** From CONNECT to "this device may speak", or to the refusal in the form of the client's protocol version. */
import type { IConnackPacket, IConnectPacket } from "mqtt-packet";
import { errorTable } from "../../platform/errors.js";
import type { ErrorCode } from "../../platform/errors.js";
import { newId } from "../../platform/ids.js";
import { login } from "../registry/device-access.js";
import type { DeviceAccess } from "../registry/device-access.js";
import type { Refusal } from "../pipeline/refusal.js";
import type { Registry } from "../registry/registry.js";
import { classifyTopic } from "../topics.js";
import type { Version } from "./packets.js";
import { reasons, returnCodes } from "./reasons.js";

export interface Will {
  readonly topic: string;
  readonly payload: Buffer;
  readonly contentType?: string;
  /** Seconds that it waits after the end of the connection, for the session to go on. */
  readonly delay: number;
}

export interface Admitted {
  readonly ok: true;
  readonly access: DeviceAccess;
  readonly credentialId: string;
  readonly clientId: string;
  /** Given by us, because the client had none. */
  readonly assigned: boolean;
  readonly will?: Will;
}

export interface Refused {
  readonly ok: false;
  /** For the log and the metrics. */
  readonly label: string;
  readonly connack: IConnackPacket;
}

/** What an API key, or a longer secret, may look like. */
const TOKEN = /^[A-Za-z0-9_-]{16,256}$/u;

/** Never rejects. `unavailable`: the registry does not answer, and nothing can be said of the device. */
export async function admit(
  packet: IConnectPacket,
  version: Version,
  registry: Registry,
): Promise<Admitted | Refused | "unavailable"> {
  if (packet.properties?.authenticationMethod !== undefined) {
    const message = "enhanced authentication is not offered: log in with user name and password";
    return refuse(version, "auth-method", reasons.badAuthenticationMethod, returnCodes.notAuthorized, message);
  }
  const assigned = packet.clientId === "";
  if (assigned && version < 5 && packet.clean !== true) {
    const message = "a client without an id must ask for a clean session";
    return refuse(version, "client-id", reasons.clientIdNotValid, returnCodes.clientIdRejected, message);
  }
  const { username = "", password = "" } = packet;
  const name = /^([A-Za-z0-9_-]{1,64})\/([A-Za-z0-9_-]{1,64})$/u.exec(username);
  // As ThingsBoard's devices log in: an access token, which is an API key of ours, and no password.
  const isToken = name === null && password.length === 0 && TOKEN.test(username);
  if (name === null && !isToken)
    return refuseWith(version, "user-name", "UNAUTHENTICATED", 'the user name is not "{tenant}/{device}"');
  const [, tenant = "", device = ""] = name ?? [];
  let found: DeviceAccess | undefined;
  try {
    found = isToken ? await registry.findByKey(username) : await registry.find(tenant, device);
  } catch {
    // The registry's health says why.
    return "unavailable";
  }
  const outcome = login(found, isToken ? username : password, Date.now());
  if (!outcome.ok) return refuseWith(version, outcome.reason, outcome.code, outcome.message);
  const { access, credentialId } = outcome;
  const clientId = assigned ? newId() : packet.clientId;
  const admitted = { ok: true, access, credentialId, assigned, clientId } as const;
  const { will } = packet;
  if (will === undefined) return admitted;
  if (will.retain === true && version === 5) {
    const message = "retained messages are not kept: ask for a will without retain";
    return refuse(version, "will-retain", reasons.retainNotSupported, returnCodes.notAuthorized, message);
  }
  const meaning = classifyTopic(will.topic, access.tenantId, access.deviceId);
  if ("code" in meaning) return refuseWith(version, "will-topic", meaning.code, `the will's topic: ${meaning.message}`);
  const { contentType, willDelayInterval: delay = 0 } = will.properties ?? {};
  const kept = { topic: will.topic, payload: Buffer.from(will.payload), delay };
  return { ...admitted, will: contentType === undefined ? kept : { ...kept, contentType } };
}

/** A device that may log in, and does not get in: there are too many of it, or of its tenant, already. */
export function refuseForLimit(version: Version, { message }: Refusal): Refused {
  return refuse(version, "limit", reasons.quotaExceeded, returnCodes.serverUnavailable, message);
}

export function refuseVersion(code: number, reason: string): IConnackPacket {
  return code === reasons.unsupportedProtocolVersion
    ? { cmd: "connack", sessionPresent: false, returnCode: returnCodes.unacceptableVersion }
    : { cmd: "connack", sessionPresent: false, reasonCode: code, properties: { reasonString: reason } };
}

function refuseWith(version: Version, label: string, code: ErrorCode, message: string): Refused {
  const returnCode = code === "UNAUTHENTICATED" ? returnCodes.badUserNameOrPassword : returnCodes.notAuthorized;
  return refuse(version, label, errorTable[code].mqtt, returnCode, message);
}

function refuse(
  version: Version,
  label: string,
  reasonCode: number,
  returnCode: number,
  reasonString: string,
): Refused {
  const connack: IConnackPacket =
    version === 5
      ? { cmd: "connack", sessionPresent: false, reasonCode, properties: { reasonString } }
      : { cmd: "connack", sessionPresent: false, returnCode };
  return { ok: false, label, connack };
}
