import { setTimeout as sleep } from "node:timers/promises";
import { NO_STREAM, WrongExpectedVersionError } from "@eventstore/db-client";
import type { EventStoreDBClient } from "@eventstore/db-client";
import { DomainError } from "../domain/error.js";
import { encodeEvent, readAggregateEvents, schemaVersionOf, streamName } from "../events/index.js";
import type { Category, FleetlogEvent, LogPosition } from "../events/index.js";
import { FleetlogError, isFleetlogError, messageOf } from "../platform/errors.js";
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
  /** What happened; empty when it was already so. */
  readonly events: readonly FleetlogEvent[];
  /** The stream's revision that shows the outcome. */
  readonly revision: number;
  /** Where in the log the outcome stands: a read model that has passed it shows the outcome. */
  readonly position: LogPosition;
}

/** What a stream's history says to the handler. */
interface Loaded {
  readonly state: unknown;
  readonly revision: number | undefined;
  readonly position: LogPosition | undefined;
  readonly outcomes: ReadonlyMap<string, CommandOutcome>;
}

/**
 * Authorize → load → decide → append, the only way that anything is decided.
 * Throws FleetlogError: the decider's refusal, FORBIDDEN, CONFLICT when others kept winning, UNAVAILABLE when the store is away.
 */
export async function handleCommand<C extends Category>(
  client: EventStoreDBClient,
  request: CommandRequest<C>,
): Promise<CommandOutcome> {
  authorize(request.actor, request.tenantId, request.command.type);
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await decideOnce(client, request);
    } catch (error) {
      if (error instanceof DomainError) {
        throw new FleetlogError(error.code, error.message, error.details, { cause: error });
      }
      if (isFleetlogError(error)) throw error;
      if (!(error instanceof WrongExpectedVersionError)) {
        throw new FleetlogError(
          "UNAVAILABLE",
          `the event store did not take ${request.command.type}: ${messageOf(error)}; try again`,
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

async function decideOnce(client: EventStoreDBClient, request: CommandRequest): Promise<CommandOutcome> {
  const { category, tenantId, id, command, commandId } = request;
  const stream = streamName(category, tenantId, id);
  const loaded = await load(client, category, stream);
  const earlier = loaded.outcomes.get(commandId);
  if (earlier !== undefined) return earlier;

  const events = deciders[category].decide(command, loaded.state);
  if (events.length === 0) {
    return { events, revision: loaded.revision ?? -1, position: loaded.position ?? { commit: 0n, prepare: 0n } };
  }
  const appended = await client.appendToStream(
    stream,
    events.map((event, n) =>
      encodeEvent(derivedId(commandId, n), event, {
        schemaVersion: schemaVersionOf(event.type),
        tenantId,
        actor: actorName(request.actor),
        commandId,
        correlationId: request.correlationId,
        causationId: request.causationId ?? commandId,
        occurredAt: command.at,
      }),
    ),
    { expectedRevision: loaded.revision === undefined ? NO_STREAM : BigInt(loaded.revision) },
  );
  if (appended.position === undefined) throw new Error("the event store gave no position for the append");
  return { events, revision: Number(appended.nextExpectedRevision), position: appended.position };
}

async function load(client: EventStoreDBClient, category: Category, stream: string): Promise<Loaded> {
  const decider = deciders[category];
  const outcomes = new Map<string, CommandOutcome>();
  let state = decider.initialState;
  let revision: number | undefined;
  let position: LogPosition | undefined;
  for await (const event of readAggregateEvents(client, stream)) {
    state = decider.evolve(state, event);
    ({ revision, position } = event);
    const { commandId } = event.metadata;
    outcomes.set(commandId, { events: [...(outcomes.get(commandId)?.events ?? []), event], revision, position });
    if (outcomes.size > REMEMBERED_COMMANDS) {
      const oldest = outcomes.keys().next();
      if (oldest.done !== true) outcomes.delete(oldest.value);
    }
  }
  return { state, revision, position, outcomes };
}
