/** What a bench is, to the program that runs it. */

/** Sizes by flag name; `--name N` changes one. */
export type Sizes = Readonly<Record<string, number>>;

export interface Bench<S extends Sizes = Sizes> {
  /** One line: what is measured. */
  readonly about: string;
  /** The defaults: they finish within 60 s on 2 cores. */
  readonly sizes: S;
  run(sizes: S, say: Say): Promise<Outcome>;
}

/** A line for people while it runs, on standard error. */
export type Say = (line: string) => void;

export interface Baseline {
  readonly name: string;
  readonly per_s: number;
  /** Processor time, everything included, µs. */
  readonly cpu_us_per_message?: number;
}

export interface Outcome {
  /** The keys of the bench's last line; those that were ever promised keep their names. */
  readonly figures: Readonly<Record<string, unknown>>;
  /** The same kind of load without us, measured in the same run. */
  readonly baseline?: Baseline;
  /** To the baseline: ours / its. */
  readonly ratio?: number;
}

export function ratioOf(ours: number, { per_s }: Baseline): number {
  return per_s === 0 ? 0 : Number((ours / per_s).toFixed(3));
}
