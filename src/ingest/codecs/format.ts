/** The forms in which telemetry may come, and by which words of its own a message chooses one. */
import { payloadFormats } from "../../domain/device-type/index.js";
import type { PayloadFormat } from "../../domain/device-type/index.js";

export const formats = payloadFormats;
export type Format = PayloadFormat;

/** RFC 8259, RFC 8949 §9.5, RFC 8428 §12.3; Protobuf has no registered name, these are the ones in use. */
const contentTypes: Readonly<Record<string, Format>> = {
  "application/json": "json",
  "text/json": "json",
  "application/cbor": "cbor",
  "application/senml+json": "senml+json",
  "application/senml+cbor": "senml+cbor",
  "application/protobuf": "protobuf",
  "application/x-protobuf": "protobuf",
  "application/vnd.google.protobuf": "protobuf",
  "application/vnd.sparkplug.b": "sparkplug",
};

/** What clients say who have nothing to say: curl sends the first by itself. */
const meaningless = new Set(["application/x-www-form-urlencoded", "application/octet-stream", "text/plain", ""]);

/**
 * The form that a content type names. `undefined`: it says nothing, and the device type's codec is meant;
 * `"unsupported"`: it names a form that no codec reads.
 */
export function formatOfContentType(contentType: string | undefined): Format | undefined | "unsupported" {
  if (contentType === undefined) return undefined;
  const semicolon = contentType.indexOf(";");
  const name = (semicolon < 0 ? contentType : contentType.slice(0, semicolon)).trim().toLowerCase();
  if (Object.hasOwn(contentTypes, name)) return contentTypes[name];
  return meaningless.has(name) ? undefined : "unsupported";
}

/** RFC 7252 §12.3 and RFC 8428 §12.4. */
const coapContentFormats: Readonly<Record<number, Format | undefined>> = {
  0: undefined,
  42: undefined,
  50: "json",
  60: "cbor",
  110: "senml+json",
  112: "senml+cbor",
};

/** The same for CoAP's Content-Format numbers. */
export function formatOfContentFormat(contentFormat: number | undefined): Format | undefined | "unsupported" {
  if (contentFormat === undefined) return undefined;
  return Object.hasOwn(coapContentFormats, contentFormat) ? coapContentFormats[contentFormat] : "unsupported";
}

/** What a refusal of an unsupported content type should name. */
export const knownContentTypes: readonly string[] = Object.keys(contentTypes);

/** `…/telemetry/{suffix}`: for protocols, and clients, without content types. */
const suffixes: Readonly<Record<string, Format>> = {
  json: "json",
  cbor: "cbor",
  senml: "senml+json",
  "senml-cbor": "senml+cbor",
  protobuf: "protobuf",
  thingsboard: "thingsboard",
};

export const formatSuffixes: readonly string[] = Object.keys(suffixes);

export function formatOfSuffix(suffix: string): Format | undefined {
  return Object.hasOwn(suffixes, suffix) ? suffixes[suffix] : undefined;
}
