/** `Append`: one append a call, options first, then its events. The Node.js client uses it when credentials are given per call. */
import { status } from "@grpc/grpc-js";
import type { ServerReadableStream } from "@grpc/grpc-js";
import type { ExpectedRevision, Outcome } from "../semantics/changes.js";
import type { ProposedEvent } from "../storage/record.js";
import type { CallContext } from "./context.js";
import { ProtocolError, appendTooLarge, invalidArgument, streamDeleted } from "./errors.js";
import { shared, streams } from "./generated.js";
import type { streamsPb } from "./generated.js";
import { boundedNumber, proposedEvent, streamName } from "./proposed.js";

export async function append(
  context: CallContext,
  call: ServerReadableStream<streamsPb.AppendReq, streamsPb.AppendResp>,
): Promise<streamsPb.AppendResp> {
  let options: streamsPb.AppendReq.Options | undefined;
  const events: ProposedEvent[] = [];
  let bytes = 0;
  // A call that is cancelled before its end throws here, and writes nothing.
  for await (const request of call as AsyncIterable<streamsPb.AppendReq>) {
    const message = request.getProposedMessage();
    if (message === undefined) {
      options = request.getOptions();
      continue;
    }
    const event = proposedEvent(message);
    bytes += event.data.length + event.metadata.length;
    if (bytes > context.maxAppendBytes) throw appendTooLarge(context.maxAppendBytes);
    events.push(event);
  }
  return submit(context, options, events);
}

async function submit(
  { appender }: CallContext,
  options: streamsPb.AppendReq.Options | undefined,
  events: readonly ProposedEvent[],
): Promise<streamsPb.AppendResp> {
  if (options === undefined) throw invalidArgument("The append has no options. Send them first.");
  const stream = streamName(options.getStreamIdentifier());
  const expected = expectedRevision(options);
  await appender.room();
  return response(stream, expected, await appender.submit({ kind: "append", stream, expected, events }));
}

/** The expectation of an append, a delete or a tombstone: the three number their forms alike. */
export function expectedRevision(
  options: streamsPb.AppendReq.Options | streamsPb.DeleteReq.Options | streamsPb.TombstoneReq.Options,
): ExpectedRevision {
  if (options.hasRevision()) return boundedNumber(options.getRevision());
  if (options.hasNoStream()) return "no_stream";
  if (options.hasStreamExists()) return "stream_exists";
  if (options.hasAny()) return "any";
  throw invalidArgument("The request has no expected revision. Say one, if only 'any'.");
}

function response(stream: string, expected: ExpectedRevision, outcome: Outcome): streamsPb.AppendResp {
  switch (outcome.kind) {
    case "done":
      return new streams.AppendResp().setSuccess(success(outcome));
    case "wrong-expected-revision":
      return new streams.AppendResp().setWrongExpectedVersion(wrong(expected, outcome.current));
    case "stream-deleted":
      throw streamDeleted(stream);
    case "deadline-passed":
      throw new ProtocolError(status.DEADLINE_EXCEEDED, "The deadline passed before the append was written.");
  }
}

function success({ revision, position }: Outcome & { kind: "done" }): streamsPb.AppendResp.Success {
  const success = new streams.AppendResp.Success();
  if (revision < 0) success.setNoStream(new shared.Empty());
  else success.setCurrentRevision(String(revision));
  if (position === undefined) return success.setNoPosition(new shared.Empty());
  return success.setPosition(
    new streams.AppendResp.Position().setCommitPosition(String(position)).setPreparePosition(String(position)),
  );
}

function wrong(expected: ExpectedRevision, current: number | undefined): streamsPb.AppendResp.WrongExpectedVersion {
  const wrong = new streams.AppendResp.WrongExpectedVersion();
  if (current === undefined) wrong.setCurrentNoStream(new shared.Empty());
  else wrong.setCurrentRevision(String(current));
  switch (expected) {
    case "any":
      return wrong.setExpectedAny(new shared.Empty());
    case "no_stream":
      return wrong.setExpectedNoStream(new shared.Empty());
    case "stream_exists":
      return wrong.setExpectedStreamExists(new shared.Empty());
    default:
      return wrong.setExpectedRevision(String(expected));
  }
}
