/** What a child said last, for the line that reports its death. Bounded: older lines, and the ends of long ones, are dropped. */
import type { Readable } from "node:stream";
import { createInterface } from "node:readline";

const maxLineLength = 500;

export class LastLines {
  readonly #lines: string[] = [];
  readonly #max: number;

  constructor(max = 10) {
    this.#max = max;
  }

  /** Reads the stream to its end, which also keeps the child's pipe from filling up. */
  follow(stream: Readable): void {
    createInterface({ input: stream, crlfDelay: Infinity }).on("line", (line) => {
      if (line.trim() === "") return;
      this.#lines.push(line.slice(0, maxLineLength));
      if (this.#lines.length > this.#max) this.#lines.shift();
    });
  }

  get lines(): readonly string[] {
    return this.#lines;
  }
}
