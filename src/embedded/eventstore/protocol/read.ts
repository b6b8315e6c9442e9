/** `Read`: reads and subscriptions, which in this protocol are one call. */
import { randomUUID } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import type { ServerWritableStream } from "@grpc/grpc-js";
import { readAll, readStream } from "../semantics/read.js";
import { subscribeToAll, subscribeToStream } from "../semantics/subscribe.js";
import type { Delivery, Notice } from "../semantics/subscribe.js";
import { EventRecord } from "../storage/record.js";
import type { CallContext } from "./context.js";
import { stopping, toProtocolError } from "./errors.js";
import { Frames, frame } from "./frames.js";
import { shared, streams } from "./generated.js";
import type { streamsPb } from "./generated.js";
import { readRequest } from "./read-request.js";
import { encodeEvents } from "./recorded-event.js";
import type { IdForm } from "./recorded-event.js";

type Call = ServerWritableStream<streamsPb.ReadReq, Frames>;

export function read(context: CallContext, call: Call): void {
  const gone = new AbortController();
  const end = (): void => gone.abort();
  call.on("cancelled", end);
  call.on("close", end);
  context.stopping.signal.addEventListener("abort", end);
  serve(context, call, gone.signal)
    .then(
      () => (context.stopping.signal.aborted ? call.emit("error", stopping()) : call.end()),
      (error: unknown) => {
        const answer = toProtocolError(error);
        context.logger.debug({ err: error }, "a read was refused");
        call.emit("error", answer);
      },
    )
    .finally(() => context.stopping.signal.removeEventListener("abort", end));
}

async function serve(context: CallContext, call: Call, signal: AbortSignal): Promise<void> {
  const { store, commits } = context;
  const request = readRequest(call.request);
  switch (request.kind) {
    case "read-stream": {
      const batches = readStream(store, request.stream, request.plan);
      if (batches === undefined) await send(call, frame(notFound(request.stream)), signal);
      else await sendAll(call, batches, request.idForm, signal);
      return;
    }
    case "read-all":
      await sendAll(call, readAll(store, request.plan), request.idForm, signal);
      return;
    case "subscribe-stream":
    case "subscribe-all": {
      const deliveries =
        request.kind === "subscribe-all"
          ? subscribeToAll(store, commits, request.from, request.filtered, signal)
          : subscribeToStream(store, commits, request.stream, request.from, signal);
      await send(call, frame(confirmation()), signal);
      await sendAll(call, deliveries, request.idForm, signal);
    }
  }
}

/** At most two batches are on their way to the reader, and the next is read from disk only when the first has left. */
async function sendAll(
  call: Call,
  batches: Iterable<readonly Delivery[]> | AsyncIterable<readonly Delivery[]>,
  idForm: IdForm,
  signal: AbortSignal,
): Promise<void> {
  let before = Promise.resolve();
  for await (const batch of batches) {
    if (signal.aborted) return;
    if (batch.length > 0) {
      const sent = send(call, encode(batch, idForm), signal);
      await before;
      before = sent;
    }
    // One reader of much must not keep the others waiting.
    await setImmediate();
  }
  await before;
}

/** Resolves when the bytes have left for the reader, which takes as long as the reader does; or when it is gone. */
async function send(call: Call, bytes: Buffer, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      signal.removeEventListener("abort", done);
      resolve();
    };
    signal.addEventListener("abort", done);
    call.write(new Frames(bytes), done);
  });
}

function encode(batch: readonly Delivery[], idForm: IdForm): Buffer {
  const chunks: Buffer[] = [];
  let events: EventRecord[] = [];
  for (const delivery of batch) {
    if (delivery instanceof EventRecord) {
      events.push(delivery);
      continue;
    }
    if (events.length > 0) chunks.push(encodeEvents(events, idForm));
    events = [];
    chunks.push(frame(notice(delivery)));
  }
  if (events.length > 0) chunks.push(encodeEvents(events, idForm));
  const [only] = chunks;
  return chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks);
}

function notice(notice: Notice): Uint8Array {
  const response = new streams.ReadResp();
  switch (notice.kind) {
    case "checkpoint": {
      const position = String(notice.position);
      response.setCheckpoint(
        new streams.ReadResp.Checkpoint().setCommitPosition(position).setPreparePosition(position),
      );
      break;
    }
    case "caught-up":
      response.setCaughtUp(new streams.ReadResp.CaughtUp());
      break;
    case "fell-behind":
      response.setFellBehind(new streams.ReadResp.FellBehind());
      break;
  }
  return response.serializeBinary();
}

function confirmation(): Uint8Array {
  const confirmed = new streams.ReadResp.SubscriptionConfirmation().setSubscriptionId(randomUUID());
  return new streams.ReadResp().setConfirmation(confirmed).serializeBinary();
}

function notFound(stream: string): Uint8Array {
  const identifier = new shared.StreamIdentifier().setStreamName(Buffer.from(stream));
  return new streams.ReadResp()
    .setStreamNotFound(new streams.ReadResp.StreamNotFound().setStreamIdentifier(identifier))
    .serializeBinary();
}
