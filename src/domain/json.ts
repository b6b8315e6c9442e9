/** What JSON can say. Event data and device configuration hold nothing else. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: JsonValue;
}

/** Configuration and metadata are bounded so that one device's stream stays readable in one go. */
export const MAX_JSON_BYTES = 64 * 1024;

export function jsonBytes(value: JsonValue): number {
  return new TextEncoder().encode(JSON.stringify(value)).length;
}
