/** What the clients turn into their typed errors: a status, and trailers that say which error it is and what it is about. */
import { Metadata, status } from "@grpc/grpc-js";
import type { ServiceError } from "@grpc/grpc-js";
import { DataDamagedError, WriteRefusedError } from "../storage/errors.js";
import { StreamTombstonedError } from "../semantics/visibility.js";

/** A gRPC error as a handler may throw it. */
export class ProtocolError extends Error implements ServiceError {
  readonly code: status;
  readonly details: string;
  readonly metadata: Metadata;

  constructor(code: status, details: string, trailers: Readonly<Record<string, string>> = {}) {
    super(details);
    this.name = "ProtocolError";
    this.code = code;
    this.details = details;
    this.metadata = new Metadata();
    for (const [key, value] of Object.entries(trailers)) {
      // Trailers are ASCII; a name that is not arrives with its other characters percent-encoded.
      this.metadata.set(key, /^[\x20-\x7e]*$/.test(value) ? value : encodeURI(value));
    }
  }
}

export function invalidArgument(details: string): ProtocolError {
  return new ProtocolError(status.INVALID_ARGUMENT, details);
}

export function streamDeleted(stream: string): ProtocolError {
  return new ProtocolError(status.FAILED_PRECONDITION, `Event stream '${stream}' is deleted.`, {
    exception: "stream-deleted",
    "stream-name": stream,
  });
}

export function appendTooLarge(maxBytes: number): ProtocolError {
  return new ProtocolError(
    status.INVALID_ARGUMENT,
    `Maximum Append Size of ${maxBytes} Exceeded. Append in smaller parts.`,
    {
      exception: "maximum-append-size-exceeded",
      "maximum-append-size": String(maxBytes),
    },
  );
}

export function missingMetadata(): ProtocolError {
  return new ProtocolError(status.INVALID_ARGUMENT, "Required Metadata Property 'type' or 'content-type' is missing.", {
    exception: "missing-required-metadata-property",
    "required-metadata-properties": "type,content-type",
  });
}

/** Of a delete or tombstone; appends answer theirs in a message of its own. */
export function wrongExpectedRevision(stream: string, expected: number, current: number | undefined): ProtocolError {
  return new ProtocolError(
    status.FAILED_PRECONDITION,
    `Stream '${stream}' was expected at revision ${expected}, and is at ${current ?? "none: it is not there"}.`,
    {
      exception: "wrong-expected-version",
      "stream-name": stream,
      "expected-version": String(expected),
      ...(current === undefined ? {} : { "actual-version": String(current) }),
    },
  );
}

export function stopping(): ProtocolError {
  return new ProtocolError(status.UNAVAILABLE, "The event store is stopping. Connect again when it is back.");
}

/** The form in which anything thrown is answered. */
export function toProtocolError(error: unknown): ProtocolError {
  if (error instanceof ProtocolError) return error;
  if (error instanceof StreamTombstonedError) return streamDeleted(error.stream);
  if (error instanceof DataDamagedError) return new ProtocolError(status.DATA_LOSS, error.message);
  if (error instanceof WriteRefusedError) return new ProtocolError(status.RESOURCE_EXHAUSTED, error.message);
  const message = error instanceof Error ? error.message : String(error);
  return new ProtocolError(status.INTERNAL, `The event store failed at this call: ${message}`);
}
