import { once } from "node:events";
import { Writable } from "node:stream";

/** What a command may write to: standard output, standard error, or a test's memory. */
export interface Sink {
  write(text: string): unknown;
}

export interface Column<T> {
  readonly title: string;
  readonly of: (row: T) => unknown;
}

/** Results go to standard output, everything said about them to standard error, so that a pipe gets results alone. */
export interface Output {
  readonly json: boolean;
  /** A line of standard output. */
  line(text: string): void;
  /** A line of standard error. */
  note(text: string): void;
  /** With --json the value as JSON in one line, else whatever `forPeople` writes. */
  show(value: unknown, forPeople: () => void): void;
  table<T>(columns: readonly Column<T>[], rows: readonly T[]): void;
  /** A part of a long result, as it is; resolves when there is room for the next. */
  piece(text: string): Promise<void>;
  /** A name and a value a line; what is undefined or null is left out. */
  fields(fields: Readonly<Record<string, unknown>>): void;
}

export function createOutput(stdout: Sink, stderr: Sink, json: boolean): Output {
  const line = (text: string): void => void stdout.write(`${text}\n`);
  return {
    json,
    line,
    note: (text) => void stderr.write(`${text}\n`),
    async piece(text) {
      if (stdout.write(text) === false && stdout instanceof Writable) await once(stdout, "drain");
    },
    show(value, forPeople) {
      if (json) line(JSON.stringify(value));
      else forPeople();
    },
    table(columns, rows) {
      for (const text of aligned([columns.map(({ title }) => title), ...rows.map((row) => cells(columns, row))])) {
        line(text);
      }
    },
    fields(fields) {
      const given = Object.entries(fields).filter(([, value]) => value !== undefined && value !== null);
      for (const text of aligned(given.map(([name, value]) => [name, cell(value)]))) line(text);
    },
  };
}

function cells<T>(columns: readonly Column<T>[], row: T): readonly string[] {
  return columns.map(({ of }) => cell(of(row)));
}

/** A value in a table: one line, and nothing that would move the cursor or colour the terminal, because devices choose some of these texts. */
export function cell(value: unknown): string {
  if (value === undefined || value === null) return "-";
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.replaceAll(/\p{Cc}/gu, " ");
}

function aligned(rows: readonly (readonly string[])[]): readonly string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [index, text] of row.entries()) widths[index] = Math.max(widths[index] ?? 0, text.length);
  }
  return rows.map((row) =>
    row
      .map((text, index) => text.padEnd(widths[index] ?? 0))
      .join("  ")
      .trimEnd(),
  );
}
