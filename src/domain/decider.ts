/**
 * The shape of every aggregate: three plain things, no I/O, no clock, no random.
 * `decide` answers what happens; `evolve` folds what happened. `[]` means "already so".
 * A refused command throws a DomainError.
 */
export interface Decider<State, Command, Event> {
  readonly initialState: State;
  decide(command: Command, state: State): readonly Event[];
  evolve(state: State, event: Event): State;
}

/** A wish. `at` is when it was made (ISO 8601 UTC): deciders have no clock of their own. */
export interface Command<Type extends string = string, Data = unknown> {
  readonly type: Type;
  readonly at: string;
  readonly data: Data;
}

/** A fact. Its name and the shape of its data are the storage format: see test/golden. */
export interface DomainEvent<Type extends string = string, Data = unknown> {
  readonly type: Type;
  readonly data: Data;
}

/** For the `default` of a switch that handles every case: a new case without its branch does not compile. */
export function never(value: never): never {
  throw new Error(`not reachable: ${JSON.stringify(value)}`);
}
