import { fromDocument, isBlank, toDocument } from "./watch.js";
import type { Transition } from "./transition.js";
import type { Watch, WatchDocument } from "./watch.js";

/** A moment of the watches, ready to be stored. */
export interface Snapshot {
  readonly documents: readonly WatchDocument[];
  /** Stored: what it holds need not be written again. */
  written(): void;
  /** Not stored: it will be part of the next one. */
  failed(): void;
}

/**
 * The watches of all rules, and what of them must still be stored. Memory is kept for pairs of rule and device where
 * something is pending, active, cooling down or owed, and for no other.
 */
export class Watches {
  readonly #clock: () => number;
  /** rule → device → watch. */
  readonly #byRule = new Map<string, Map<string, Watch>>();
  readonly #owedBy = new Map<Transition, Watch>();
  readonly #dirty = new Set<Watch>();
  /** Blank ones whose documents wait to be deleted, with the frame that these include and when they were written. */
  readonly #tombstones = new Map<Watch, { readonly sequence: number; readonly at: number }>();
  /** The last frame that was evaluated, in the stream that it counts in. */
  sequence = 0;
  #stream = "";

  constructor(clock: () => number) {
    this.#clock = clock;
  }

  /** Transitions that are not accepted yet. */
  get owed(): number {
    return this.#owedBy.size;
  }

  get dirty(): number {
    return this.#dirty.size;
  }

  get size(): number {
    let count = 0;
    for (const devices of this.#byRule.values()) count += devices.size;
    return count;
  }

  find(ruleId: string, deviceId: string): Watch | undefined {
    return this.#byRule.get(ruleId)?.get(deviceId);
  }

  ofRule(ruleId: string): Iterable<Watch> {
    return this.#byRule.get(ruleId)?.values() ?? [];
  }

  ruleIds(): Iterable<string> {
    return this.#byRule.keys();
  }

  /** Gives the last frame of the stream that was evaluated; 0 for one that is new, of which nothing is known. */
  follow(stream: string): number {
    if (this.#stream === stream) return this.sequence;
    if (this.#stream !== "") {
      for (const devices of this.#byRule.values()) for (const watch of devices.values()) watch.includes = 0;
      for (const [watch, { at }] of this.#tombstones) this.#tombstones.set(watch, { sequence: 0, at });
    }
    this.#stream = stream;
    this.sequence = 0;
    return 0;
  }

  restore(document: WatchDocument): Watch {
    const watch = fromDocument(document, this.#stream);
    this.keep(watch);
    if (isBlank(watch)) this.#bury(watch);
    for (const transition of watch.owed) this.#owedBy.set(transition, watch);
    return watch;
  }

  keep(watch: Watch): void {
    const devices = this.#byRule.get(watch.ruleId) ?? new Map<string, Watch>();
    this.#byRule.set(watch.ruleId, devices);
    devices.set(watch.deviceId, watch);
  }

  /** It has changed since it was stored. */
  touch(watch: Watch): void {
    this.#dirty.add(watch);
  }

  owe(watch: Watch, transition: Transition): void {
    watch.owed = [...watch.owed, transition];
    this.#owedBy.set(transition, watch);
    this.touch(watch);
  }

  settled(transition: Transition): void {
    const watch = this.#owedBy.get(transition);
    if (watch === undefined) return;
    this.#owedBy.delete(transition);
    watch.owed = watch.owed.filter((other) => other !== transition);
    this.touch(watch);
  }

  /** What has changed since the last one, up to the last frame evaluated. One at a time. */
  takeSnapshot(): Snapshot {
    const taken = [...this.#dirty];
    this.#dirty.clear();
    const stored: Watch[] = [];
    const documents: WatchDocument[] = [];
    for (const watch of taken) {
      if (isBlank(watch) && !watch.stored) {
        this.#forget(watch);
        continue;
      }
      stored.push(watch);
      documents.push(toDocument(watch, this.#includedIn(watch), this.#stream));
      if (isBlank(watch)) this.#bury(watch);
      else this.#tombstones.delete(watch);
    }
    return {
      documents,
      written: () => {
        for (const watch of stored) watch.stored = true;
      },
      failed: () => {
        for (const watch of stored) this.touch(watch);
      },
    };
  }

  /**
   * The documents that nothing depends on any more. One that has become blank must outlive the frames that made it so:
   * were these delivered again, they would be judged from the beginning and open an episode that never was.
   */
  takeExpired(acknowledged: number, olderThanMs: number, limit: number): readonly string[] {
    const expired: string[] = [];
    const before = this.#clock() - olderThanMs;
    for (const [watch, { sequence, at }] of this.#tombstones) {
      if (expired.length >= limit) break;
      if (sequence > acknowledged || at > before || this.#dirty.has(watch) || !isBlank(watch)) continue;
      this.#tombstones.delete(watch);
      watch.stored = false;
      this.#forget(watch);
      expired.push(watch.id);
    }
    return expired;
  }

  #bury(watch: Watch): void {
    this.#tombstones.set(watch, { sequence: this.#includedIn(watch), at: this.#clock() });
  }

  /** While frames are given again after a restart, a restored watch is ahead of them. */
  #includedIn(watch: Watch): number {
    return Math.max(this.sequence, watch.includes);
  }

  #forget(watch: Watch): void {
    const devices = this.#byRule.get(watch.ruleId);
    devices?.delete(watch.deviceId);
    if (devices?.size === 0) this.#byRule.delete(watch.ruleId);
  }
}
