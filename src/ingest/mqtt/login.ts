/** From CONNECT to "this device may speak", or to the refusal in the form of the client's protocol version. */
import type { IConnackPacket, IConnectPacket } from "mqtt-packet";
import { errorTable } from "../../platform/errors.js";
import type { ErrorCode } from "../../platform/errors.js";
import { newId } from "../../platform/ids.js";
import { login } from "../device-access.js";
import type { DeviceAccess } from "../device-access.js";
import type { Registry } from "../registry.js";
import { classifyTopic } from "../topics.js";
import type { UpTopic } from "../topics.js";
import type { Version } from "./packets.js";
import { reasons, returnCodes } from "./reasons.js";

export interface Will {
  readonly topic: UpTopic;
  readonly payload: Buffer;
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
  const name = /^([A-Za-z0-9_-]{1,64})\/([A-Za-z0-9_-]{1,64})$/u.exec(packet.username ?? "");
  if (name === null)
    return refuseWith(version, "user-name", "UNAUTHENTICATED", 'the user name is not "{tenant}/{device}"');
  const [, tenant = "", device = ""] = name;
  let found: DeviceAccess | undefined;
  try {
    found = await registry.find(tenant, device);
  } catch {
    // The registry's health says why.
    return "unavailable";
  }
  const outcome = login(found, packet.password ?? "", Date.now());
  if (!outcome.ok) return refuseWith(version, outcome.reason, outcome.code, outcome.message);
  const { access, credentialId } = outcome;
  const admitted = {
    ok: true,
    access,
    credentialId,
    assigned,
    clientId: assigned ? newId() : packet.clientId,
  } as const;
  const { will } = packet;
  if (will === undefined) return admitted;
  if (will.qos === 2) {
    return refuse(
      version,
      "will-qos",
      reasons.qosNotSupported,
      returnCodes.notAuthorized,
      "the will has QoS 2: use 0 or 1",
    );
  }
  const topic = classifyTopic(will.topic, tenant, device);
  if (typeof topic !== "string")
    return refuseWith(version, "will-topic", topic.code, `the will's topic: ${topic.message}`);
  return { ...admitted, will: { topic, payload: Buffer.from(will.payload) } };
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
