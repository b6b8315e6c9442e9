import type { GraphQLFormattedError } from "graphql";
import { GraphQLError } from "graphql";
import { DomainError } from "../domain/error.js";
import { FleetlogError, errorTable, isFleetlogError } from "../platform/errors.js";
import type { ErrorCode } from "../platform/errors.js";

/** Codes that Apollo gives to requests it cannot take: to a client they are all one. */
const REQUEST_CODES = new Set([
  "GRAPHQL_PARSE_FAILED",
  "GRAPHQL_VALIDATION_FAILED",
  "OPERATION_RESOLUTION_FAILURE",
  "BAD_USER_INPUT",
  "BAD_REQUEST",
  "PERSISTED_QUERY_NOT_FOUND",
  "PERSISTED_QUERY_NOT_SUPPORTED",
]);

/** Names of the drivers' errors that mean "the engine does not answer", as opposed to "it answered that we are wrong". */
const AWAY =
  /^(Mongo(ServerSelection|Network|NetworkTimeout|PoolCleared|TopologyClosed|NotConnected|WaitQueueTimeout)Error|NatsError)$/;
/** EventStoreDB's client names all of its errors "Error", and says in `type` what they are. */
const AWAY_TYPES = new Set<unknown>(["unavailable", "deadline-exceeded", "timeout", "cancelled"]);

/** What an error is to the one who asked: an entry of the platform's error table, always. */
export interface SeenError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly details: Readonly<Record<string, unknown>>;
}

/** Reads what was thrown, wrapped by GraphQL or not. Anything unknown is a defect of ours: INTERNAL, and nothing of it is told. */
export function seenError(error: unknown): SeenError {
  const cause = causeOf(error);
  if (isFleetlogError(cause) || cause instanceof DomainError) {
    return { code: cause.code, message: cause.message, details: cause.details };
  }
  if (isAway(cause)) {
    return { code: "UNAVAILABLE", message: "an engine that this needs does not answer: try again", details: {} };
  }
  if (cause instanceof GraphQLError) return { ...ofGraphql(cause), details: {} };
  return { code: "INTERNAL", message: "something went wrong on our side: the log has it", details: {} };
}

function isAway(error: unknown): boolean {
  return error instanceof Error && (AWAY.test(error.name) || ("type" in error && AWAY_TYPES.has(error.type)));
}

/** Parse and validation errors carry no code where graphql-js alone found them, and a request code where Apollo did. */
function ofGraphql(error: GraphQLError): { readonly code: ErrorCode; readonly message: string } {
  const { code } = error.extensions;
  if (typeof code === "string" && Object.hasOwn(errorTable, code)) {
    return { code: code as ErrorCode, message: error.message };
  }
  if (code === undefined || (typeof code === "string" && REQUEST_CODES.has(code)))
    return { code: "BAD_REQUEST", message: error.message };
  return { code: "INTERNAL", message: "something went wrong on our side: the log has it" };
}

/** The error below GraphQL's wrappings. */
export function causeOf(error: unknown): unknown {
  let current = error;
  while (current instanceof GraphQLError && current.originalError !== undefined) current = current.originalError;
  return current;
}

/** The public form: `extensions` holds `code`, what the error has to say beyond its sentence, and the id that the log knows it by. */
export function formatError(formatted: GraphQLFormattedError, error: unknown): GraphQLFormattedError {
  const { code, message, details } = seenError(error);
  const correlationId = formatted.extensions?.["correlationId"];
  const { locations, path } = formatted;
  return {
    message,
    ...(locations === undefined ? {} : { locations }),
    ...(path === undefined ? {} : { path }),
    extensions: {
      code,
      ...(Object.keys(details).length === 0 ? {} : { details }),
      ...(correlationId === undefined ? {} : { correlationId }),
    },
  };
}

/** For what refuses a whole request: carries the HTTP status that the error table gives its code. */
export function requestError(error: unknown): GraphQLError {
  const { code, message, details } = seenError(error);
  const cause = error instanceof Error ? error : new FleetlogError(code, message, details);
  return new GraphQLError(message, {
    originalError: cause,
    extensions: { code, http: { status: errorTable[code].http } },
  });
}
