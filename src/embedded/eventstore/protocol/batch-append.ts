/**
 * `BatchAppend`: one long call carries a client's appends, each in one or more messages of its correlation id, and the answers
 * come back as they are ready. The Node.js client uses it for nearly everything.
 */
import { setImmediate as afterPoll } from "node:timers";
import { status } from "@grpc/grpc-js";
import type { ServerDuplexStream } from "@grpc/grpc-js";
import type { ExpectedRevision } from "../semantics/changes.js";
import type { ProposedEvent } from "../storage/record.js";
import { deadlinePassed, failed, succeeded, tooLarge, tombstoned, wrongRevision } from "./batch-response.js";
import type { CallContext } from "./context.js";
import { ProtocolError, appendTooLarge, invalidArgument, stopping, toProtocolError } from "./errors.js";
import { Frames, frame } from "./frames.js";
import type { sharedPb, streamsPb } from "./generated.js";
import { boundedNumber, proposedEvent, streamName } from "./proposed.js";

/** So many appends of one call may be half sent at a time; more is a client that never finishes any. */
const MAX_UNFINISHED = 1_000;

/** An append whose last message has not come yet. */
interface Unfinished {
  readonly options: streamsPb.BatchAppendReq.Options | undefined;
  readonly events: ProposedEvent[];
  bytes: number;
  /** Found wrong on the way; answered when its last message comes. */
  error?: ProtocolError;
}

export function batchAppend(context: CallContext, call: ServerDuplexStream<streamsPb.BatchAppendReq, Frames>): void {
  const { appender } = context;
  const unfinished = new Map<string, Unfinished>();
  let inFlight = 0;
  let ended = false;
  let answers: Buffer[] = [];

  const finishIfDone = (): void => {
    if (inFlight > 0 || answers.length > 0 || call.cancelled) return;
    if (context.stopping.signal.aborted) call.emit("error", stopping());
    else if (ended) call.end();
  };
  // The answers to one group are ready together, and leave in one write.
  const flush = (): void => {
    const ready = answers;
    answers = [];
    if (!call.cancelled) call.write(new Frames(Buffer.concat(ready)));
    finishIfDone();
  };
  const answer = (response: streamsPb.BatchAppendResp): void => {
    if (answers.length === 0) afterPoll(flush);
    answers.push(frame(response.serializeBinary()));
  };

  const finish = async (id: sharedPb.UUID, append: Unfinished): Promise<void> => {
    inFlight += 1;
    try {
      answer(await submit(context, id, append));
    } catch (error) {
      context.logger.debug({ err: error }, "an append was refused");
      answer(failed(id, append.options?.getStreamIdentifier(), toProtocolError(error)));
    } finally {
      inFlight -= 1;
      finishIfDone();
    }
  };

  call.on("data", (request: streamsPb.BatchAppendReq) => {
    const id = request.getCorrelationId();
    if (id === undefined) {
      call.emit("error", invalidArgument("The append has no correlation id. Give each append one."));
      return;
    }
    const key = id.getString() || Buffer.from(id.serializeBinary()).toString("latin1");
    const append = unfinished.get(key) ?? { options: request.getOptions(), events: [], bytes: 0 };
    take(append, request, context.maxAppendBytes);
    if (request.getIsFinal()) {
      unfinished.delete(key);
      void finish(id, append);
    } else if (unfinished.size < MAX_UNFINISHED) {
      unfinished.set(key, append);
    } else {
      call.emit(
        "error",
        new ProtocolError(
          status.RESOURCE_EXHAUSTED,
          `More than ${MAX_UNFINISHED} appends are half sent on one call. Finish some first.`,
        ),
      );
    }
    if (appender.full) {
      call.pause();
      void appender.room().then(() => context.stopping.signal.aborted || call.resume());
    }
  });
  call.on("end", () => {
    ended = true;
    finishIfDone();
  });
  const stop = (): void => {
    call.pause();
    finishIfDone();
  };
  context.stopping.signal.addEventListener("abort", stop);
  call.on("close", () => context.stopping.signal.removeEventListener("abort", stop));
}

function take(append: Unfinished, request: streamsPb.BatchAppendReq, maxBytes: number): void {
  try {
    for (const message of request.getProposedMessagesList()) {
      if (append.error !== undefined) return;
      const event = proposedEvent(message);
      append.bytes += event.data.length + event.metadata.length;
      if (append.bytes > maxBytes) throw appendTooLarge(maxBytes);
      append.events.push(event);
    }
  } catch (error) {
    append.error = toProtocolError(error);
    append.events.length = 0;
  }
}

async function submit(
  { appender, maxAppendBytes }: CallContext,
  id: sharedPb.UUID,
  { options, events, bytes, error }: Unfinished,
): Promise<streamsPb.BatchAppendResp> {
  if (options === undefined) throw invalidArgument("The append has no options. Send them in its first message.");
  const identifier = options.getStreamIdentifier();
  if (bytes > maxAppendBytes) return tooLarge(id, identifier, maxAppendBytes);
  if (error !== undefined) throw error;
  const stream = streamName(identifier);
  const expected = expectation(options);
  const deadlineMs = options.getDeadline()?.toDate().getTime();
  const outcome = await appender.submit({
    kind: "append",
    stream,
    expected,
    events,
    ...(deadlineMs === undefined ? {} : { deadlineMs }),
  });
  switch (outcome.kind) {
    case "done":
      return succeeded(id, identifier, outcome.revision, outcome.position);
    case "wrong-expected-revision":
      return wrongRevision(id, identifier, expected, outcome.current);
    case "stream-deleted":
      return tombstoned(id, identifier);
    case "deadline-passed":
      return deadlinePassed(id, identifier);
  }
}

function expectation(options: streamsPb.BatchAppendReq.Options): ExpectedRevision {
  if (options.hasStreamPosition()) return boundedNumber(options.getStreamPosition());
  if (options.hasNoStream()) return "no_stream";
  if (options.hasStreamExists()) return "stream_exists";
  if (options.hasAny()) return "any";
  throw invalidArgument("The append has no expected revision. Say one, if only 'any'.");
}
