import type { EventFilter } from "../semantics/filter.js";
import type { ReadPlan } from "../semantics/read.js";
import type { Filtered } from "../semantics/subscribe.js";
import { invalidArgument } from "./errors.js";
import { streams } from "./generated.js";
import type { streamsPb } from "./generated.js";
import { boundedNumber, streamName } from "./proposed.js";
import type { IdForm } from "./recorded-event.js";

/** EventStoreDB's own: a checkpoint is due after `checkpointInterval` times this many events (or the filter's search window). */
const DEFAULT_SEARCH_WINDOW = 32;

type From = ReadPlan["from"];

export type ReadRequest = { readonly idForm: IdForm } & (
  | { readonly kind: "read-stream"; readonly stream: string; readonly plan: ReadPlan }
  | { readonly kind: "read-all"; readonly plan: ReadPlan & { readonly filter?: EventFilter } }
  | { readonly kind: "subscribe-stream"; readonly stream: string; readonly from: From }
  | { readonly kind: "subscribe-all"; readonly from: From; readonly filtered: Filtered | undefined }
);

/** What a `Read` call asks for. Links are not resolved: nothing here makes any, so the flag has nothing to do. */
export function readRequest(request: streamsPb.ReadReq): ReadRequest {
  const options = request.getOptions();
  if (options === undefined) throw invalidArgument("The read has no options. Say what to read.");
  const idForm: IdForm = options.getUuidOption()?.hasStructured() === true ? "structured" : "string";
  const filtered = filterOf(options);

  const stream = options.getStream();
  if (stream !== undefined) {
    const name = streamName(stream.getStreamIdentifier());
    const from = stream.hasRevision() ? boundedNumber(stream.getRevision()) : stream.hasEnd() ? "end" : "start";
    if (filtered !== undefined) throw invalidArgument("Only reads of $all take a filter. Read without one.");
    if (options.hasSubscription()) return { kind: "subscribe-stream", idForm, stream: name, from };
    return { kind: "read-stream", idForm, stream: name, plan: planOf(options, from) };
  }

  const all = options.getAll();
  if (all === undefined) throw invalidArgument("The read names neither a stream nor $all. Say what to read.");
  const position = all.getPosition();
  const from = position !== undefined ? boundedNumber(position.getCommitPosition()) : all.hasEnd() ? "end" : "start";
  if (options.hasSubscription()) return { kind: "subscribe-all", idForm, from, filtered };
  const filter = filtered === undefined ? {} : { filter: filtered.filter };
  return { kind: "read-all", idForm, plan: { ...planOf(options, from), ...filter } };
}

function planOf(options: streamsPb.ReadReq.Options, from: From): ReadPlan {
  const backwards = options.getReadDirection() === streams.ReadReq.Options.ReadDirection.BACKWARDS;
  return { direction: backwards ? "backwards" : "forwards", from, maxCount: boundedNumber(options.getCount()) };
}

function filterOf(options: streamsPb.ReadReq.Options): Filtered | undefined {
  const filter = options.getFilter();
  if (filter === undefined) return undefined;
  const on = filter.hasEventType() ? "type" : "stream";
  const expression = filter.getEventType() ?? filter.getStreamIdentifier();
  if (expression === undefined)
    throw invalidArgument("The filter filters nothing. Filter by event type or stream name.");
  const window = filter.hasMax() ? filter.getMax() : DEFAULT_SEARCH_WINDOW;
  const checkpointEvery = Math.max(1, window * Math.max(1, filter.getCheckpointintervalmultiplier()));
  const prefixes = expression.getPrefixList();
  if (prefixes.length > 0) return { filter: { on, kind: "prefixes", prefixes }, checkpointEvery };
  return { filter: { on, kind: "regex", regex: compiled(expression.getRegex()) }, checkpointEvery };
}

function compiled(source: string): RegExp {
  try {
    return new RegExp(source, "u");
  } catch {
    // Without the flag some escapes are allowed that .NET allows too.
    try {
      return new RegExp(source);
    } catch {
      throw invalidArgument(`The filter's regular expression '${source}' cannot be compiled. Correct it.`);
    }
  }
}
