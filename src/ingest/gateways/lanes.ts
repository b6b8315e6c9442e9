/** A lane for each key that has something waiting, and none for those that have not: the usual message costs a look into an empty map. */
import { Lane } from "./lane.js";

export class Lanes {
  readonly #lanes = new Map<string, Lane>();
  readonly #capacity: number;

  /** `capacity`: of each lane. */
  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** Behind what waits under this key, or at once. False when too many wait already. As in `Lane`, a job neither throws nor rejects. */
  run(key: string, job: () => void | Promise<void>): boolean {
    const lane = this.#lanes.get(key);
    if (lane !== undefined) return lane.run(job);
    const done = job();
    if (done === undefined) return true;
    const opened = new Lane(this.#capacity, () => this.#lanes.delete(key));
    this.#lanes.set(key, opened);
    return opened.run(() => done);
  }
}
