import type { EventRecord } from "../storage/record.js";

/** Which events of `$all` a subscription or read gets: by type or by stream name; by any of some prefixes or by an expression. */
export type EventFilter = {
  readonly on: "type" | "stream";
} & (
  | { readonly kind: "prefixes"; readonly prefixes: readonly string[] }
  | { readonly kind: "regex"; readonly regex: RegExp }
);

/** Compiles to a test on the record's bytes: most events are rejected without becoming a string. */
export function matcher(filter: EventFilter): (event: EventRecord) => boolean {
  const part = filter.on === "type" ? (event: EventRecord) => event.type : (event: EventRecord) => event.stream;
  switch (filter.kind) {
    case "regex": {
      const { regex } = filter;
      return (event) => regex.test(part(event).toString());
    }
    case "prefixes": {
      const prefixes = filter.prefixes.map((prefix) => Buffer.from(prefix));
      return (event) => {
        const bytes = part(event);
        return prefixes.some((prefix) => bytes.subarray(0, prefix.length).equals(prefix));
      };
    }
  }
}
