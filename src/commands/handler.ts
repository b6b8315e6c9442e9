import { setTimeout as sleep } from "node:timers/promises";
import { NO_STREAM, WrongExpectedVersionError } from "@eventstore/db-client";
import type { EventStoreDBClient } from "@eventstore/db-client";
import { DomainError } from "../domain/error.js";
import { encodeEvent, readAggregateEvents, schemaVersionOf, streamName } from "../events/index.js";
import type { Category, FleetlogEvent, LogPosition } from "../events/index.js";
import { BoundedMap } from "../platform/bounded-map.js";
import { FleetlogError, isFleetlogError } from "../platform/errors.js";
import { derivedId } from "../platform/ids.js";
import type { Actor } from "./actor.js";
import { actorName } from "./actor.js";
import type { CommandsByCategory } from "./aggregates.js";
import { deciders } from "./aggregates.js";
import { authorize } from "./authorize.js";

/** Conflicts are re-decided so many times before the caller hears of them. */
const MAX_TRIES = 5;
/** How many of a stream's last commands are remembered: a retry that comes later than this many others is decided anew. */
const REMEMBERED_COMMANDS = 256;

/** Streams whose last state is kept in memory; the least recently used is read again when a command for it comes. */
const REMEMBERED_STREAMS = 2_000;

export interface CommandRequest<C extends Category = Category> {
  readonly category: C;
  readonly tenantId: string;
  /** The aggregate's id; a tenant's is its tenant id. */
  readonly id: string;
  readonly command: CommandsByCategory[C];
  readonly actor: Actor;
  /** Makes a retry land on its first outcome: the same id is never decided twice. */
  readonly commandId: string;
  readonly correlationId: string;
  /** What led to it: an event's, message's or request's id; the command's own when it began here. */
  readonly causationId?: string;
}

export interface CommandOutcome {
  /** False when it was already so: nothing happened. */
  readonly changed: boolean;
  /** True when the command had been given before, and this is what came of it then. */
  readonly retried: boolean;
  /** The stream's revision that shows the outcome. */
  readonly revision: number;
  /** Where in the log the outcome stands: a read model that has passed it shows the outcome. */
  readonly position: LogPosition;
}

/** Where an earlier command's last event stands. */
type Recorded = Pick<CommandOutcome, "revision" | "position">;

/** What a stream's history says to the handler. */
interface Loaded {
  readonly state: unknown;
  readonly revision: number | undefined;
  readonly position: LogPosition | undefined;
  /** By command id; shared by what is loaded later, because an outcome stays one. */
  readonly outcomes: Map<string, Recorded>;
}

/**
 * What streams' histories said last, so that most commands need not read them again. A state that has fallen behind is
 * harmless: the append at its revision fails, and nothing is refused or called "already so" on its word alone.
 */
export class RecentStreams {
  readonly #loaded = new BoundedMap<string, Loaded>(REMEMBERED_STREAMS);

  get(stream: string): Loaded | undefined {
    return this.#loaded.get(stream);
  }

  set(stream: string, loaded: Loaded): void {
    this.#loaded.set(stream, loaded);
  }

  forget(stream: string): void {
    this.#loaded.delete(stream);
  }
}

/**
 * Authorize → load → decide → append, the only way that anything is decided.
 * Throws FleetlogError: the decider's refusal, FORBIDDEN, CONFLICT when others kept winning, UNAVAILABLE when the store is away.
 */
export async function handleCommand<C extends Category>(
  client: EventStoreDBClient,
  recent: RecentStreams,
  request: CommandRequest<C>,
): Promise<CommandOutcome> {
  authorize(request.actor, request.tenantId, request.command.type);
  const stream = streamName(request.category, request.tenantId, request.id);
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await decideOnce(client, recent, stream, request);
    } catch (error) {
      if (error instanceof DomainError) {
        throw new FleetlogError(error.code, error.message, error.details, { cause: error });
      }
      if (isFleetlogError(error)) throw error;
      recent.forget(stream);
      if (!(error instanceof WrongExpectedVersionError)) {
        throw new FleetlogError(
          "UNAVAILABLE",
          // Its own words name addresses, which are nobody's business outside: the log has the cause.
          `the event store did not take ${request.command.type}: try again`,
          {},
          { cause: error },
        );
      }
      if (attempt >= MAX_TRIES) {
        throw new FleetlogError(
          "CONFLICT",
          `${request.command.type} met ${MAX_TRIES} changes by others in a row: try again`,
          {},
          { cause: error },
        );
      }
      await sleep(Math.random() * 10 * 2 ** attempt);
    }
  }
}

async function decideOnce(
  client: EventStoreDBClient,
  recent: RecentStreams,
  stream: string,
  request: CommandRequest,
): Promise<CommandOutcome> {
  // Of a stream that is not remembered it is supposed that there is none: what creates a thing then needs no look first.
  const supposed = recent.get(stream) ?? absent(request.category);
  const earlier = supposed.outcomes.get(request.commandId);
  if (earlier !== undefined) return { ...earlier, changed: true, retried: true };
  const events = eventsOrNone(request, supposed.state);
  // A creation that was wrong to suppose so meets the stream, and is decided again on its history.
  if (events.length > 0) return append(client, recent, stream, request, supposed, events);

  const loaded = await load(client, request.category, stream);
  recent.set(stream, loaded);
  const recorded = loaded.outcomes.get(request.commandId);
  if (recorded !== undefined) return { ...recorded, changed: true, retried: true };
  const decided = deciders[request.category].decide(request.command, loaded.state);
  if (decided.length > 0) return append(client, recent, stream, request, loaded, decided);
  const { revision = -1, position = { commit: 0n, prepare: 0n } } = loaded;
  return { changed: false, retried: false, revision, position };
}

/**
 * What the history of one thing says now, for a command about another that names it: nothing locks it, so it may be otherwise a moment
 * later. `enough`: a remembered state that it takes is not read again.
 */
export async function stateOf(
  client: EventStoreDBClient,
  recent: RecentStreams,
  { category, tenantId, id }: Pick<CommandRequest, "category" | "tenantId" | "id">,
  enough: (state: unknown) => boolean,
): Promise<unknown> {
  const stream = streamName(category, tenantId, id);
  const remembered = recent.get(stream);
  if (remembered !== undefined && enough(remembered.state)) return remembered.state;
  const loaded = await load(client, category, stream);
  recent.set(stream, loaded);
  return loaded.state;
}

/** Decides on a remembered state, which may be old: a refusal is none until the history has been read. */
function eventsOrNone({ category, command }: CommandRequest, state: unknown): readonly FleetlogEvent[] {
  try {
    return deciders[category].decide(command, state);
  } catch (error) {
    if (error instanceof DomainError) return [];
    throw error;
  }
}

async function append(
  client: EventStoreDBClient,
  recent: RecentStreams,
  stream: string,
  request: CommandRequest,
  loaded: Loaded,
  events: readonly FleetlogEvent[],
): Promise<CommandOutcome> {
  const { category, tenantId, command, commandId, correlationId } = request;
  const appended = await client.appendToStream(
    stream,
    events.map((event, n) =>
      encodeEvent(derivedId(commandId, n), event, {
        schemaVersion: schemaVersionOf(event.type),
        tenantId,
        actor: actorName(request.actor),
        commandId,
        correlationId,
        causationId: request.causationId ?? commandId,
        occurredAt: command.at,
      }),
    ),
    { expectedRevision: loaded.revision === undefined ? NO_STREAM : BigInt(loaded.revision) },
  );
  const { position } = appended;
  if (position === undefined) throw new Error("the event store gave no position for the append");
  const revision = Number(appended.nextExpectedRevision);
  remember(loaded.outcomes, commandId, { revision, position });
  const decider = deciders[category];
  const state = events.reduce((folded, event) => decider.evolve(folded, event), loaded.state);
  recent.set(stream, { state, revision, position, outcomes: loaded.outcomes });
  return { changed: true, retried: false, revision, position };
}

function absent(category: Category): Loaded {
  return { state: deciders[category].initialState, revision: undefined, position: undefined, outcomes: new Map() };
}

async function load(client: EventStoreDBClient, category: Category, stream: string): Promise<Loaded> {
  const decider = deciders[category];
  const outcomes = new Map<string, Recorded>();
  let state = decider.initialState;
  let revision: number | undefined;
  let position: LogPosition | undefined;
  for await (const event of readAggregateEvents(client, stream)) {
    state = decider.evolve(state, event);
    ({ revision, position } = event);
    const { commandId } = event.metadata;
    remember(outcomes, commandId, event);
  }
  return { state, revision, position, outcomes };
}

function remember(outcomes: Map<string, Recorded>, commandId: string, { revision, position }: Recorded): void {
  outcomes.set(commandId, { revision, position });
  if (outcomes.size <= REMEMBERED_COMMANDS) return;
  for (const oldest of outcomes.keys()) {
    outcomes.delete(oldest);
    return;
  }
}
