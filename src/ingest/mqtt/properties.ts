/**
 * The property section of MQTT 5 packets (section 2.2.2), read strictly: `mqtt-packet` takes a property twice, one that
 * does not belong into its packet, and one that is cut off, and hands out values of other types than it declares.
 */
import { isUtf8 } from "node:buffer";
import { reasons } from "./reasons.js";

export interface PublishProperties {
  readonly payloadIsText: boolean;
  readonly contentType?: string;
  readonly responseTopic?: string;
  readonly correlationData?: Buffer;
  readonly topicAlias?: number;
}

export interface PropertyError {
  readonly ok: false;
  /** Of MQTT 5. */
  readonly code: number;
  readonly reason: string;
}

export interface PropertySection {
  readonly ok: true;
  /** Where the section ends. */
  readonly end: number;
  readonly publish: PublishProperties;
}

type Kind = "byte" | "flag" | "int16" | "int32" | "varint" | "text" | "pair" | "binary";
type Property = readonly [name: string, kind: Kind];

/** Section 2.2.2.2, as far as clients send them. */
const properties: Readonly<Record<number, Property>> = {
  0x01: ["payload format indicator", "flag"],
  0x02: ["message expiry interval", "int32"],
  0x03: ["content type", "text"],
  0x08: ["response topic", "text"],
  0x09: ["correlation data", "binary"],
  0x0b: ["subscription identifier", "varint"],
  0x11: ["session expiry interval", "int32"],
  0x15: ["authentication method", "text"],
  0x16: ["authentication data", "binary"],
  0x17: ["request problem information", "flag"],
  0x18: ["will delay interval", "int32"],
  0x19: ["request response information", "flag"],
  0x1f: ["reason string", "text"],
  0x21: ["receive maximum", "int16"],
  0x22: ["topic alias maximum", "int16"],
  0x23: ["topic alias", "int16"],
  0x26: ["user property", "pair"],
  0x27: ["maximum packet size", "int32"],
};

const acknowledgement = [0x1f, 0x26];
const allowed = {
  connect: [0x11, 0x15, 0x16, 0x17, 0x19, 0x21, 0x22, 0x26, 0x27],
  will: [0x01, 0x02, 0x03, 0x08, 0x09, 0x18, 0x26],
  publish: [0x01, 0x02, 0x03, 0x08, 0x09, 0x23, 0x26],
  puback: acknowledgement,
  pubrec: acknowledgement,
  pubrel: acknowledgement,
  pubcomp: acknowledgement,
  subscribe: [0x0b, 0x26],
  unsubscribe: [0x26],
  disconnect: [0x11, 0x1f, 0x26],
  auth: [0x15, 0x16, 0x1f, 0x26],
} as const satisfies Record<string, readonly number[]>;

export type PropertyPlace = keyof typeof allowed;

/** Numbers that may not be 0 (sections 3.1.2.11.3, 3.1.2.11.4, 3.8.2.1.2). */
const NEVER_ZERO = new Set([0x0b, 0x21, 0x27]);
const TOPIC_ALIAS = 0x23;
const USER_PROPERTY = 0x26;
/** In one packet; they are taken, and mean nothing to us. */
const MAX_USER_PROPERTIES = 32;

const none: PublishProperties = { payloadIsText: false };

/** Reads the section that begins at `at`; nothing beyond `limit` is looked at. */
export function readProperties(
  bytes: Buffer,
  at: number,
  limit: number,
  place: PropertyPlace,
): PropertySection | PropertyError {
  const length = readVarint(bytes, at, limit);
  if (length === undefined) return malformed("the length of the properties is missing or too long");
  const end = length.end + length.value;
  if (end > limit) return malformed("the properties are longer than their packet");
  if (length.value === 0) return { ok: true, end, publish: none };
  const expected: readonly number[] = allowed[place];
  const seen = new Set<number>();
  let userProperties = 0;
  let publish = none;
  let next = length.end;
  while (next < end) {
    const id = bytes[next] ?? 0;
    next += 1;
    const property = properties[id];
    if (property === undefined) return malformed(`there is no property 0x${id.toString(16)} that a client sends`);
    const [name, kind] = property;
    if (!expected.includes(id)) return wrong(`${name} does not belong into ${place.toUpperCase()}`);
    if (id === USER_PROPERTY) {
      userProperties += 1;
      if (userProperties > MAX_USER_PROPERTIES) {
        const reason = `a packet has at most ${MAX_USER_PROPERTIES} user properties`;
        return { ok: false, code: reasons.quotaExceeded, reason };
      }
    } else if (seen.has(id)) {
      return wrong(`${name} is there twice`);
    }
    seen.add(id);
    const value = readValue(bytes, next, end, kind);
    if (value === undefined) return malformed(`${name} is cut off, or no text`);
    if (kind === "flag" && value.number > 1) return wrong(`${name} is neither 0 nor 1`);
    if (value.number === 0 && NEVER_ZERO.has(id)) return wrong(`${name} is 0`);
    if (value.number === 0 && id === TOPIC_ALIAS) {
      return { ok: false, code: reasons.topicAliasInvalid, reason: "topic alias is 0" };
    }
    if (place === "publish") publish = withValue(publish, id, value.number, bytes.subarray(value.from, value.end));
    next = value.end;
  }
  if (publish.responseTopic !== undefined && /[+#]/u.test(publish.responseTopic)) {
    return wrong("the response topic has a wildcard");
  }
  return { ok: true, end, publish };
}

function withValue(held: PublishProperties, id: number, number: number, bytes: Buffer): PublishProperties {
  switch (id) {
    case 0x01:
      return { ...held, payloadIsText: number === 1 };
    case 0x03:
      return { ...held, contentType: bytes.toString("utf8") };
    case 0x08:
      return { ...held, responseTopic: bytes.toString("utf8") };
    case 0x09:
      // Kept until the answer leaves: the rest of the chunk need not wait with it.
      return { ...held, correlationData: Buffer.from(bytes) };
    case TOPIC_ALIAS:
      return { ...held, topicAlias: number };
    default:
      return held;
  }
}

interface Value {
  /** Of what is no number: 0xffff. */
  readonly number: number;
  readonly from: number;
  readonly end: number;
}

function readValue(bytes: Buffer, at: number, limit: number, kind: Kind): Value | undefined {
  switch (kind) {
    case "byte":
    case "flag":
      return at < limit ? { number: bytes[at] ?? 0, from: at, end: at + 1 } : undefined;
    case "int16":
      return at + 2 <= limit ? { number: bytes.readUInt16BE(at), from: at, end: at + 2 } : undefined;
    case "int32":
      return at + 4 <= limit ? { number: bytes.readUInt32BE(at), from: at, end: at + 4 } : undefined;
    case "varint": {
      const read = readVarint(bytes, at, limit);
      return read === undefined ? undefined : { number: read.value, from: at, end: read.end };
    }
    case "binary":
      return readBlock(bytes, at, limit);
    case "text": {
      const block = readBlock(bytes, at, limit);
      return block !== undefined && isText(bytes.subarray(block.from, block.end)) ? block : undefined;
    }
    case "pair": {
      const name = readValue(bytes, at, limit, "text");
      const value = name === undefined ? undefined : readValue(bytes, name.end, limit, "text");
      return value === undefined ? undefined : { number: 0xffff, from: at, end: value.end };
    }
  }
}

function readBlock(bytes: Buffer, at: number, limit: number): Value | undefined {
  if (at + 2 > limit) return undefined;
  const end = at + 2 + bytes.readUInt16BE(at);
  return end <= limit ? { number: 0xffff, from: at + 2, end } : undefined;
}

/** UTF-8 without U+0000 (section 1.5.4). */
function isText(bytes: Buffer): boolean {
  return isUtf8(bytes) && !bytes.includes(0);
}

export function readVarint(
  bytes: Buffer,
  at: number,
  limit: number,
): { readonly value: number; readonly end: number } | undefined {
  let value = 0;
  let factor = 1;
  for (let index = at; index < Math.min(at + 4, limit); index += 1) {
    const byte = bytes[index] ?? 0;
    value += (byte & 0x7f) * factor;
    if (byte < 0x80) return { value, end: index + 1 };
    factor *= 128;
  }
  return undefined;
}

function malformed(reason: string): PropertyError {
  return { ok: false, code: reasons.malformedPacket, reason };
}

function wrong(reason: string): PropertyError {
  return { ok: false, code: reasons.protocolError, reason };
}
