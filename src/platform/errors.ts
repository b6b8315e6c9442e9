/**
 * The one error table. A code is what programs act on; each door (GraphQL, HTTP, MQTT 5, CoAP) looks its own
 * form up here, so that one mistake has one name everywhere. The codes are public: docs/reference/errors.md lists them.
 */
export const errorTable = {
  // the caller
  UNAUTHENTICATED: {
    http: 401,
    mqtt: 0x86,
    coap: "4.01",
    meaning: "the credentials are missing, wrong, expired or revoked",
  },
  FORBIDDEN: { http: 403, mqtt: 0x87, coap: "4.03", meaning: "the credentials are good, but not for this" },
  TOPIC_NOT_ALLOWED: { http: 403, mqtt: 0x87, coap: "4.03", meaning: "the topic is not one of this device's" },
  // the request
  BAD_REQUEST: { http: 400, mqtt: 0x99, coap: "4.00", meaning: "the request breaks the form that its door expects" },
  MALFORMED_PAYLOAD: {
    http: 400,
    mqtt: 0x99,
    coap: "4.00",
    meaning: "the payload is not the JSON that the topic takes",
  },
  INVALID_VALUE: {
    http: 422,
    mqtt: 0x99,
    coap: "4.22",
    meaning: "a value has the wrong type, or is not a finite number",
  },
  INVALID_TIMESTAMP: {
    http: 422,
    mqtt: 0x99,
    coap: "4.22",
    meaning: "a timestamp is not a time, or absurdly far from now",
  },
  UNKNOWN_METRIC: { http: 422, mqtt: 0x99, coap: "4.22", meaning: "the device type does not know the metric" },
  UNSUPPORTED_FORMAT: {
    http: 415,
    mqtt: 0x99,
    coap: "4.15",
    meaning: "the content type or encoding is none that is read here",
  },
  PAYLOAD_TOO_LARGE: { http: 413, mqtt: 0x95, coap: "4.13", meaning: "the payload is larger than the door takes" },
  QUERY_TOO_COMPLEX: {
    http: 400,
    mqtt: 0x83,
    coap: "4.00",
    meaning: "the query is deeper, or costs more, than one request may",
  },
  PAGE_TOO_LARGE: { http: 400, mqtt: 0x83, coap: "4.00", meaning: "a page asks for more entries than one request may" },
  // the state of things
  NOT_FOUND: { http: 404, mqtt: 0x83, coap: "4.04", meaning: "there is no such thing in this tenant" },
  ALREADY_EXISTS: { http: 409, mqtt: 0x83, coap: "4.09", meaning: "there is one of that id already" },
  ILLEGAL_TRANSITION: {
    http: 409,
    mqtt: 0x83,
    coap: "4.09",
    meaning: "the lifecycle has no such step from where it stands",
  },
  VERSION_CONFLICT: {
    http: 409,
    mqtt: 0x83,
    coap: "4.09",
    meaning: "it has changed since the version that the caller saw",
  },
  CONFLICT: { http: 409, mqtt: 0x83, coap: "4.09", meaning: "others kept changing it at the same time; try again" },
  // the platform
  LIMIT_EXCEEDED: { http: 429, mqtt: 0x97, coap: "4.29", meaning: "a limit was reached; the message names it" },
  UNAVAILABLE: { http: 503, mqtt: 0x88, coap: "5.03", meaning: "an engine that this needs does not answer; try again" },
  INTERNAL: {
    http: 500,
    mqtt: 0x80,
    coap: "5.00",
    meaning: "a defect of ours; the log has it under the correlation id",
  },
} as const satisfies Record<
  string,
  { readonly http: number; readonly mqtt: number; readonly coap: `${4 | 5}.${number}`; readonly meaning: string }
>;

export type ErrorCode = keyof typeof errorTable;

/** An error that a caller may see: a code from the table and one sentence that says what happened and what to do. */
export class FleetlogError extends Error {
  readonly code: ErrorCode;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(
    code: ErrorCode,
    message: string,
    details: Readonly<Record<string, unknown>> = {},
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = "FleetlogError";
    this.code = code;
    this.details = details;
  }
}

export function isFleetlogError(error: unknown): error is FleetlogError {
  return error instanceof FleetlogError;
}

/** The text of anything thrown, for a log line or a wrapping message. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
