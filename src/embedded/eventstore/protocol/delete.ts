/** `Delete` (soft: until the next append) and `Tombstone` (for ever). */
import { status } from "@grpc/grpc-js";
import type { ServerUnaryCall } from "@grpc/grpc-js";
import type { ExpectedRevision, Outcome } from "../semantics/changes.js";
import { expectedRevision } from "./append.js";
import type { CallContext } from "./context.js";
import { ProtocolError, invalidArgument, streamDeleted, wrongExpectedRevision } from "./errors.js";
import { shared, streams } from "./generated.js";
import type { streamsPb } from "./generated.js";
import { streamName } from "./proposed.js";

export async function deleteStream(
  context: CallContext,
  call: ServerUnaryCall<streamsPb.DeleteReq, streamsPb.DeleteResp>,
): Promise<streamsPb.DeleteResp> {
  const { position } = await submit(context, "delete", call.request.getOptions());
  if (position === undefined) return new streams.DeleteResp().setNoPosition(new shared.Empty());
  const at = new streams.DeleteResp.Position().setCommitPosition(String(position)).setPreparePosition(String(position));
  return new streams.DeleteResp().setPosition(at);
}

export async function tombstoneStream(
  context: CallContext,
  call: ServerUnaryCall<streamsPb.TombstoneReq, streamsPb.TombstoneResp>,
): Promise<streamsPb.TombstoneResp> {
  const { position } = await submit(context, "tombstone", call.request.getOptions());
  if (position === undefined) return new streams.TombstoneResp().setNoPosition(new shared.Empty());
  const at = new streams.TombstoneResp.Position()
    .setCommitPosition(String(position))
    .setPreparePosition(String(position));
  return new streams.TombstoneResp().setPosition(at);
}

type Done = Outcome & { readonly kind: "done" };

async function submit(
  { appender }: CallContext,
  kind: "delete" | "tombstone",
  options: streamsPb.DeleteReq.Options | streamsPb.TombstoneReq.Options | undefined,
): Promise<Done> {
  if (options === undefined) throw invalidArgument("The request has no options. Say which stream it is about.");
  const stream = streamName(options.getStreamIdentifier());
  const expected = expectedRevision(options);
  await appender.room();
  const outcome = await appender.submit({ kind, stream, expected });
  switch (outcome.kind) {
    case "done":
      return outcome;
    case "wrong-expected-revision":
      throw wrongExpectedRevision(stream, versionNumber(expected), outcome.current);
    case "stream-deleted":
      throw streamDeleted(stream);
    case "deadline-passed":
      throw new ProtocolError(status.DEADLINE_EXCEEDED, "The deadline passed before the stream was deleted.");
  }
}

/** The numbers that EventStoreDB's trailers have for what is no revision. */
function versionNumber(expected: ExpectedRevision): number {
  switch (expected) {
    case "no_stream":
      return -1;
    case "any":
      return -2;
    case "stream_exists":
      return -4;
    default:
      return expected;
  }
}
