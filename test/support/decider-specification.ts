import { expect } from "vitest";
import type { Decider } from "../../src/domain/decider.js";
import { DomainError } from "../../src/domain/error.js";
import type { DomainErrorCode } from "../../src/domain/error.js";

export interface Decided<Event> {
  /** These events happen, and no others; none means "already so". */
  then(...events: readonly Event[]): void;
  /** Says what `then()` would: nothing happens, because it is so already. */
  thenNothing(): void;
  /** The command is refused with this code, and the sentence for people matches. */
  thenRefused(code: DomainErrorCode, message?: RegExp): void;
}

export interface Specification<Command, Event> {
  readonly given: (...history: readonly Event[]) => { readonly when: (command: Command) => Decided<Event> };
}

/** Specs on plain data that read as sentences: `given(…events).when(command).then(…events)`. */
export function specify<State, Command, Event>(decider: Decider<State, Command, Event>): Specification<Command, Event> {
  return {
    given: (...history) => ({
      when(command) {
        const decide = () => decider.decide(command, fold(decider, history));
        return {
          // oxlint-disable-next-line unicorn/no-thenable -- the third word of the sentence; awaited by mistake, it fails loudly
          then: (...events) => {
            expect(decide()).toEqual(events);
          },
          thenNothing: () => {
            expect(decide()).toEqual([]);
          },
          thenRefused: (code, message = /\S/u) => {
            const refusal = refusalOf(decide);
            expect(refusal.code).toBe(code);
            expect(refusal.message).toMatch(message);
          },
        };
      },
    }),
  };
}

export function fold<State, Event>(
  { initialState, evolve }: Pick<Decider<State, never, Event>, "initialState" | "evolve">,
  history: readonly Event[],
): State {
  return history.reduce((state, event) => evolve(state, event), initialState);
}

/** The DomainError that `decide` throws; anything else that it throws, or gives, fails the test. */
export function refusalOf(decide: () => unknown): DomainError {
  let outcome: unknown;
  try {
    outcome = decide();
  } catch (error) {
    if (error instanceof DomainError) return error;
    throw error;
  }
  throw new Error(`expected a refusal, got ${JSON.stringify(outcome)}`);
}
