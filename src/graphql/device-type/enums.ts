import { registerEnumType } from "type-graphql";
import type { MetricKind as DomainKind, PayloadFormat as DomainFormat } from "../../domain/device-type/index.js";

export const MetricKind = { NUMBER: "NUMBER", STRING: "STRING", BOOLEAN: "BOOLEAN" } as const;
export type MetricKind = keyof typeof MetricKind;
registerEnumType(MetricKind, { name: "MetricKind" });

/** The domain says them in lower case, as JSON's types are called. */
export const domainKinds = {
  NUMBER: "number",
  STRING: "string",
  BOOLEAN: "boolean",
} as const satisfies { readonly [K in MetricKind]: DomainKind };

export const shownKinds = {
  number: "NUMBER",
  string: "STRING",
  boolean: "BOOLEAN",
} as const satisfies { readonly [K in DomainKind]: MetricKind };

export const PayloadFormat = {
  JSON: "JSON",
  THINGSBOARD: "THINGSBOARD",
  CBOR: "CBOR",
  SENML_JSON: "SENML_JSON",
  SENML_CBOR: "SENML_CBOR",
  PROTOBUF: "PROTOBUF",
  SPARKPLUG: "SPARKPLUG",
} as const;
export type PayloadFormat = keyof typeof PayloadFormat;
registerEnumType(PayloadFormat, {
  name: "PayloadFormat",
  description: "A form of telemetry. SENML is RFC 8428, SPARKPLUG is Sparkplug B, THINGSBOARD what its devices send.",
});

/** The domain says them as media types end. */
export const domainFormats = {
  JSON: "json",
  THINGSBOARD: "thingsboard",
  CBOR: "cbor",
  SENML_JSON: "senml+json",
  SENML_CBOR: "senml+cbor",
  PROTOBUF: "protobuf",
  SPARKPLUG: "sparkplug",
} as const satisfies { readonly [F in PayloadFormat]: DomainFormat };

export const shownFormats = {
  json: "JSON",
  thingsboard: "THINGSBOARD",
  cbor: "CBOR",
  "senml+json": "SENML_JSON",
  "senml+cbor": "SENML_CBOR",
  protobuf: "PROTOBUF",
  sparkplug: "SPARKPLUG",
} as const satisfies { readonly [F in DomainFormat]: PayloadFormat };
