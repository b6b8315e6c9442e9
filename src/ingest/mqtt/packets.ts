/**
 * MQTT packets from and to bytes, by `mqtt-packet`; only PUBLISH and PUBACK in their plain forms, which are all but
 * everything that passes here, have a way of their own that makes no garbage.
 */
import { generate, parser } from "mqtt-packet";
import type { IConnectPacket, Packet } from "mqtt-packet";
import { messageOf } from "../../platform/errors.js";

export type Version = 3 | 4 | 5;

export interface Publish {
  readonly cmd: "publish";
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  readonly topic: string;
  /** 0 for QoS 0. */
  readonly messageId: number;
  readonly payload: Buffer;
  readonly topicAlias?: number;
}

export type Incoming = Exclude<Packet, { cmd: "publish" }> | Publish;

export type Decoded =
  | { readonly ok: true; readonly packet: Incoming }
  | { readonly ok: false; readonly reason: string };

/** Reads one whole packet of a connection that speaks `version`. Never throws. */
export function decodePacket(bytes: Buffer, version: Version): Decoded {
  if ((bytes[0] ?? 0) >> 4 === 3) {
    const publish = decodePublish(bytes, version);
    if (publish !== undefined) return publish;
  }
  return decodeWith(bytes, { protocolVersion: version });
}

/** Reads the first packet of a connection, which must be CONNECT. Never throws. */
export function decodeConnect(
  bytes: Buffer,
): { readonly ok: true; readonly packet: IConnectPacket } | { readonly ok: false; readonly reason: string } {
  if ((bytes[0] ?? 0) >> 4 !== 1) return { ok: false, reason: "the first packet is not CONNECT" };
  const decoded = decodeWith(bytes, {});
  if (!decoded.ok) return decoded;
  const { packet } = decoded;
  return packet.cmd === "connect" ? { ok: true, packet } : { ok: false, reason: "the first packet is not CONNECT" };
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
  if (failure !== undefined) return { ok: false, reason: failure };
  const [packet] = packets;
  if (packet === undefined || packets.length > 1)
    return { ok: false, reason: "the packet's parts do not fill its length" };
  if (packet.cmd !== "publish") return checkMessageId(packet);
  const { qos, retain, topic, payload, messageId = 0, properties } = packet;
  if (typeof payload === "string") return { ok: false, reason: "the payload is no bytes" };
  if (qos > 0 && messageId <= 0) return { ok: false, reason: "the packet identifier is 0" };
  const publish = { cmd: "publish" as const, qos, retain, topic, messageId, payload };
  const topicAlias = properties?.topicAlias;
  return { ok: true, packet: topicAlias === undefined ? publish : { ...publish, topicAlias } };
}

function checkMessageId(packet: Exclude<Packet, { cmd: "publish" }>): Decoded {
  const needsId = packet.cmd === "subscribe" || packet.cmd === "unsubscribe" || packet.cmd === "puback";
  // The parser answers -1 where the packet is too short for one.
  if (needsId && !((packet.messageId ?? 0) > 0)) return { ok: false, reason: "the packet identifier is missing or 0" };
  return { ok: true, packet };
}

/** `undefined` when it has properties, which are left to the full parser. */
function decodePublish(bytes: Buffer, version: Version): Decoded | undefined {
  const header = bytes[0] ?? 0;
  const qos = (header >> 1) & 3;
  if (qos === 3) return { ok: false, reason: "QoS 3 does not exist" };
  let at = 1;
  while ((bytes[at] ?? 0) >= 0x80) at += 1;
  at += 1;
  if (at + 2 > bytes.length) return { ok: false, reason: "PUBLISH is too short for its topic" };
  const topicEnd = at + 2 + bytes.readUInt16BE(at);
  let end = topicEnd + (qos === 0 ? 0 : 2);
  if (end > bytes.length) return { ok: false, reason: "PUBLISH is too short for its topic" };
  const messageId = qos === 0 ? 0 : bytes.readUInt16BE(topicEnd);
  if (qos > 0 && messageId === 0) return { ok: false, reason: "the packet identifier is 0" };
  if (version === 5) {
    if (end >= bytes.length) return { ok: false, reason: "PUBLISH is too short for its properties" };
    if (bytes[end] !== 0) return undefined;
    end += 1;
  }
  const topic = bytes.toString("utf8", at + 2, topicEnd);
  const payload = bytes.subarray(end);
  return {
    ok: true,
    packet: { cmd: "publish", qos: qos as 0 | 1 | 2, retain: (header & 1) === 1, topic, messageId, payload },
  };
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
