import { registerEnumType } from "type-graphql";
import type { MetricKind as DomainKind } from "../../domain/device-type/index.js";

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
