/**
 * The answers of `BatchAppend`. An error in one of them always carries details: the Node.js client looks into them without
 * asking whether they are there, and a missing one ends its process.
 */
import { status as grpcStatus } from "@grpc/grpc-js";
import type { ExpectedRevision } from "../semantics/changes.js";
import type { ProtocolError } from "./errors.js";
import { Any, Code, GoogleEmpty, shared, status, streams } from "./generated.js";
import type { sharedPb, streamsPb } from "./generated.js";

type CodeNumber = (typeof Code)[keyof typeof Code];
type Identifier = sharedPb.StreamIdentifier | undefined;

export function succeeded(
  id: sharedPb.UUID,
  stream: Identifier,
  revision: number,
  position: number | undefined,
): streamsPb.BatchAppendResp {
  const success = new streams.BatchAppendResp.Success();
  if (revision < 0) success.setNoStream(new GoogleEmpty());
  else success.setCurrentRevision(String(revision));
  if (position === undefined) success.setNoPosition(new GoogleEmpty());
  else {
    success.setPosition(
      new shared.AllStreamPosition().setCommitPosition(String(position)).setPreparePosition(String(position)),
    );
  }
  return response(id, stream).setSuccess(success);
}

export function wrongRevision(
  id: sharedPb.UUID,
  stream: Identifier,
  expected: ExpectedRevision,
  current: number | undefined,
): streamsPb.BatchAppendResp {
  const wrong = new shared.WrongExpectedVersion();
  if (current === undefined) wrong.setCurrentNoStream(new GoogleEmpty());
  else wrong.setCurrentStreamRevision(String(current));
  switch (expected) {
    case "any":
      wrong.setExpectedAny(new GoogleEmpty());
      break;
    case "no_stream":
      wrong.setExpectedNoStream(new GoogleEmpty());
      break;
    case "stream_exists":
      wrong.setExpectedStreamExists(new GoogleEmpty());
      break;
    default:
      wrong.setExpectedStreamPosition(String(expected));
  }
  return refused(id, stream, Code.FAILED_PRECONDITION, "The stream is not at the expected revision.", {
    name: "WrongExpectedVersion",
    bytes: wrong.serializeBinary(),
  });
}

export function tombstoned(id: sharedPb.UUID, stream: Identifier): streamsPb.BatchAppendResp {
  const deleted = new shared.StreamDeleted().setStreamIdentifier(stream);
  return refused(id, stream, Code.FAILED_PRECONDITION, "The stream is deleted.", {
    name: "StreamDeleted",
    bytes: deleted.serializeBinary(),
  });
}

export function tooLarge(id: sharedPb.UUID, stream: Identifier, maxBytes: number): streamsPb.BatchAppendResp {
  const exceeded = new shared.MaximumAppendSizeExceeded().setMaxappendsize(maxBytes);
  return refused(id, stream, Code.INVALID_ARGUMENT, `Maximum Append Size of ${maxBytes} Exceeded.`, {
    name: "MaximumAppendSizeExceeded",
    bytes: exceeded.serializeBinary(),
  });
}

export function deadlinePassed(id: sharedPb.UUID, stream: Identifier): streamsPb.BatchAppendResp {
  return refused(id, stream, Code.DEADLINE_EXCEEDED, "The deadline passed before the append was written.", {
    name: "Timeout",
    bytes: new shared.Timeout().serializeBinary(),
  });
}

/** Anything else; the details are of a kind that no client gives a type of its own. */
export function failed(id: sharedPb.UUID, stream: Identifier, error: ProtocolError): streamsPb.BatchAppendResp {
  return refused(id, stream, codeOf(error), error.details, {
    name: "BadRequest",
    bytes: new shared.BadRequest().setMessage(error.details).serializeBinary(),
  });
}

/** The same codes under the same names, in another enum. */
function codeOf(error: ProtocolError): CodeNumber {
  const name = grpcStatus[error.code];
  return name in Code ? Code[name as keyof typeof Code] : Code.UNKNOWN;
}

function refused(
  id: sharedPb.UUID,
  stream: Identifier,
  code: CodeNumber,
  message: string,
  details: { readonly name: string; readonly bytes: Uint8Array },
): streamsPb.BatchAppendResp {
  const any = new Any();
  any.pack(details.bytes, `event_store.client.${details.name}`);
  const error = new status.Status().setCode(code).setMessage(message).setDetails(any);
  return response(id, stream).setError(error);
}

function response(id: sharedPb.UUID, stream: Identifier): streamsPb.BatchAppendResp {
  // The Node.js client reads the name of an error's stream without asking whether there is one.
  return new streams.BatchAppendResp()
    .setCorrelationId(id)
    .setStreamIdentifier(stream ?? new shared.StreamIdentifier());
}
