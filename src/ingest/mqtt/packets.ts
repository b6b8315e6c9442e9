/**
 * MQTT packets from and to bytes, by `mqtt-packet`; only PUBLISH, and PUBACK in its plain form, which are all but
 * everything that passes here, have a way of their own that makes no garbage, and version 5's properties a strict reader.
 */
import { isUtf8 } from "node:buffer";
import { generate, parser } from "mqtt-packet";
import type { IConnectPacket, Packet } from "mqtt-packet";
import { messageOf } from "../../platform/errors.js";
import { readProperties, readVarint } from "./properties.js";
import type { PropertyError, PropertyPlace, PublishProperties } from "./properties.js";
import { reasons } from "./reasons.js";

export type Version = 3 | 4 | 5;

export interface Publish {
  readonly cmd: "publish";
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  /** Empty where a topic alias stands for it. */
  readonly topic: string;
  /** 0 for QoS 0. */
  readonly messageId: number;
  readonly payload: Buffer;
  /** `undefined` when there are none. */
  readonly properties?: PublishProperties;
}

export type Incoming = Exclude<Packet, { cmd: "publish" }> | Publish;

/** `code` is MQTT 5's. */
interface Undecodable {
  readonly ok: false;
  readonly code: number;
  readonly reason: string;
}

export type Decoded = { readonly ok: true; readonly packet: Incoming } | Undecodable;
export type DecodedConnect = { readonly ok: true; readonly packet: IConnectPacket } | Undecodable;

/** Reads one whole packet of a connection that speaks `version`. Never throws. */
export function decodePacket(bytes: Buffer, version: Version): Decoded {
  const type = (bytes[0] ?? 0) >> 4;
  if (type === 3) return decodePublish(bytes, version);
  if (version === 5) {
    const wrong = checkProperties(bytes, type);
    if (wrong !== undefined) return wrong;
  }
  return decodeWith(bytes, { protocolVersion: version });
}

/** Reads the first packet of a connection, which must be CONNECT. Never throws. */
export function decodeConnect(bytes: Buffer): DecodedConnect {
  if ((bytes[0] ?? 0) >> 4 !== 1) return malformed("the first packet is not CONNECT");
  const header = readVarint(bytes, 1, bytes.length)?.end ?? bytes.length;
  const version = versionOf(bytes, header);
  if (version === undefined) return malformed("CONNECT names no protocol of MQTT");
  if (version !== 3 && version !== 4 && version !== 5) {
    const reason = `MQTT in version ${version} is not spoken here: use 3.1.1 (4) or 5`;
    return { ok: false, code: reasons.unsupportedProtocolVersion, reason };
  }
  if (version === 5) {
    const wrong = checkConnectProperties(bytes, header);
    if (wrong !== undefined) return wrong;
  }
  const decoded = decodeWith(bytes, {});
  if (!decoded.ok) return decoded;
  const { packet } = decoded;
  if (packet.cmd !== "connect") return malformed("the first packet is not CONNECT");
  if ((packet.will?.qos ?? 0) > 2) return malformed("the will's QoS is 3");
  // MQTT 3.1.1, section 1.5.3; MQTT 5, section 1.5.4.
  if ([packet.clientId, packet.username, packet.will?.topic].some((text) => text?.includes("\0") === true))
    return malformed("a text of CONNECT holds the character U+0000");
  return { ok: true, packet };
}

/** The protocol level that CONNECT names, a bridge's mark left out; `undefined` where it is no MQTT at all. */
function versionOf(bytes: Buffer, header: number): number | undefined {
  const name = bytes.toString("latin1", header + 2, header + 2 + (bytes[header + 1] ?? 0));
  if (bytes[header] !== 0 || (name !== "MQTT" && name !== "MQIsdp")) return undefined;
  const level = bytes[header + 2 + name.length];
  return level === undefined ? undefined : level & 0x7f;
}

function checkConnectProperties(bytes: Buffer, header: number): PropertyError | undefined {
  // Name, level, flags, keep-alive: 10 bytes for "MQTT".
  const at = header + 2 + (bytes[header + 1] ?? 0) + 4;
  const hasWill = ((bytes[at - 3] ?? 0) & 0x04) !== 0;
  const own = readProperties(bytes, at, bytes.length, "connect");
  if (!own.ok) return own;
  if (!hasWill) return undefined;
  if (own.end + 2 > bytes.length) return malformed("CONNECT is too short for its client id");
  const will = readProperties(bytes, own.end + 2 + bytes.readUInt16BE(own.end), bytes.length, "will");
  return will.ok ? undefined : will;
}

const places: Readonly<Record<number, PropertyPlace>> = {
  4: "puback",
  5: "pubrec",
  6: "pubrel",
  7: "pubcomp",
  8: "subscribe",
  10: "unsubscribe",
  14: "disconnect",
  15: "auth",
};

function checkProperties(bytes: Buffer, type: number): PropertyError | undefined {
  const place = places[type];
  const header = readVarint(bytes, 1, bytes.length)?.end;
  if (place === undefined || header === undefined) return undefined;
  // The packet identifier, the reason code, or both, stand before them; where they end the packet there are none.
  const isRequest = place === "subscribe" || place === "unsubscribe";
  const before = isRequest ? 2 : place === "disconnect" || place === "auth" ? 1 : 3;
  if (!isRequest && header + before >= bytes.length) return undefined;
  const section = readProperties(bytes, header + before, bytes.length, place);
  return section.ok ? undefined : section;
}

/** A parser per packet: it keeps state after an error, and these packets are rare. */
function decodeWith(bytes: Buffer, options: object): Decoded {
  const packets: Packet[] = [];
  let failure: string | undefined;
  const one = parser(options);
  one.on("packet", (packet) => packets.push(packet));
  one.on("error", (error: unknown) => {
    failure ??= messageOf(error);
  });
  try {
    one.parse(bytes);
  } catch (error) {
    // It reads beyond the end of some malformed packets.
    failure ??= messageOf(error);
  }
  if (failure !== undefined) return malformed(failure);
  const [packet] = packets;
  if (packet === undefined || packets.length > 1) return malformed("the packet's parts do not fill its length");
  if (packet.cmd === "publish") return malformed("a PUBLISH came where none was looked for");
  return checkMessageId(packet);
}

const WITH_ID = new Set(["subscribe", "unsubscribe", "puback", "pubrec", "pubrel", "pubcomp"]);

function checkMessageId(packet: Exclude<Packet, { cmd: "publish" }>): Decoded {
  // The parser answers -1 where the packet is too short for one.
  if (WITH_ID.has(packet.cmd) && !((packet.messageId ?? 0) > 0)) {
    return malformed("the packet identifier is missing or 0");
  }
  return { ok: true, packet };
}

function decodePublish(bytes: Buffer, version: Version): Decoded {
  const header = bytes[0] ?? 0;
  const qos = (header >> 1) & 3;
  if (qos === 3) return malformed("QoS 3 does not exist");
  if (qos === 0 && (header & 8) !== 0) return malformed("a PUBLISH of QoS 0 is no duplicate");
  let at = 1;
  while ((bytes[at] ?? 0) >= 0x80) at += 1;
  at += 1;
  if (at + 2 > bytes.length) return malformed("PUBLISH is too short for its topic");
  const topicEnd = at + 2 + bytes.readUInt16BE(at);
  let end = topicEnd + (qos === 0 ? 0 : 2);
  if (end > bytes.length) return malformed("PUBLISH is too short for its topic");
  const messageId = qos === 0 ? 0 : bytes.readUInt16BE(topicEnd);
  if (qos > 0 && messageId === 0) return malformed("the packet identifier is 0");
  let properties: PublishProperties | undefined;
  if (version === 5) {
    if (end >= bytes.length) return malformed("PUBLISH is too short for its properties");
    if (bytes[end] === 0) {
      end += 1;
    } else {
      const section = readProperties(bytes, end, bytes.length, "publish");
      if (!section.ok) return section;
      ({ end, publish: properties } = section);
    }
  }
  const topic = bytes.toString("utf8", at + 2, topicEnd);
  const payload = bytes.subarray(end);
  const retain = (header & 1) === 1;
  const packet = { cmd: "publish", qos: qos as 0 | 1 | 2, retain, topic, messageId, payload } as const;
  return { ok: true, packet: properties === undefined ? packet : { ...packet, properties } };
}

/** Whether a payload is what its sender says: text. */
export function isTextPayload(payload: Buffer): boolean {
  return isUtf8(payload);
}

/** PUBACK without a reason: four bytes in every version. */
export function writePlainPuback(into: Buffer, at: number, messageId: number): void {
  into[at] = 0x40;
  into[at + 1] = 2;
  into[at + 2] = messageId >> 8;
  into[at + 3] = messageId & 0xff;
}

export function encodePacket(packet: Packet, version: Version): Buffer {
  return generate(packet, { protocolVersion: version });
}

export const PINGRESP = Buffer.from([0xd0, 0]);

function malformed(reason: string): Undecodable {
  return { ok: false, code: reasons.malformedPacket, reason };
}
