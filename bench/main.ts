/**
 * `npm run bench -- NAME [--size N …]`: lines for people, and as the last line one JSON object with the figures, the
 * baseline measured in the same run and the ratio to it. Exit codes: 0 measured, 1 failed, 2 wrong usage.
 */
import { parseArgs } from "node:util";
import { alerts } from "./alerts.js";
import { codecs } from "./codecs.js";
import { catchUp } from "./catch-up.js";
import { commands } from "./commands.js";
import { documents } from "./documents.js";
import { eventstore } from "./eventstore.js";
import { growth } from "./growth.js";
import { ingest } from "./ingest.js";
import { latency } from "./latency.js";
import { overload } from "./overload.js";
import { projections } from "./projections.js";
import { queries } from "./queries.js";
import type { Bench, Sizes } from "./support/bench.js";
import { table } from "./support/table.js";

const benches: Readonly<Record<string, Bench>> = {
  ingest,
  latency,
  growth,
  overload,
  "catch-up": catchUp,
  codecs,
  alerts,
  commands,
  projections,
  queries,
  eventstore,
  documents,
};

function usage(): string {
  const width = Math.max(...Object.keys(benches).map((name) => name.length));
  return [
    "usage: npm run bench -- NAME [--SIZE N …]",
    ...Object.entries(benches).flatMap(([name, { about, sizes }]) => [
      `  ${name.padEnd(width)}  ${about}`,
      `  ${" ".repeat(width)}    ${Object.entries(sizes)
        .map(([size, value]) => `--${size} ${value}`)
        .join("  ")}`,
    ]),
  ].join("\n");
}

function refuse(why: string): never {
  process.stderr.write(`${why}\n${usage()}\n`);
  process.exit(2);
}

function asked(): { readonly name: string; readonly bench: Bench; readonly sizes: Sizes } {
  const [name = "", ...rest] = process.argv.slice(2);
  if (name === "--help") {
    process.stdout.write(`${usage()}\n`);
    process.exit(0);
  }
  const bench = Object.hasOwn(benches, name) ? benches[name] : undefined;
  if (bench === undefined) return refuse(name === "" ? "which bench?" : `there is no bench "${name}"`);
  const options = Object.fromEntries(Object.keys(bench.sizes).map((size) => [size, { type: "string" as const }]));
  try {
    const { values } = parseArgs({ args: rest, options });
    const given = Object.entries(values).map(([size, text]) => [size, sizeOf(size, text)] as const);
    return { name, bench, sizes: { ...bench.sizes, ...Object.fromEntries(given) } };
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error));
  }
}

function sizeOf(name: string, text: unknown): number {
  const size = Number(text);
  if (Number.isInteger(size) && size > 0) return size;
  throw new Error(`--${name} takes a whole number above 0, not "${String(text)}"`);
}

const { name, bench, sizes } = asked();
const since = performance.now();
try {
  const { figures, baseline, ratio } = await bench.run(sizes, (line) => process.stderr.write(`${line}\n`));
  const seconds = Number(((performance.now() - since) / 1_000).toFixed(1));
  const lines = table({
    ...figures,
    ...(baseline === undefined ? {} : { baseline: `${baseline.per_s.toLocaleString("en-US")}/s: ${baseline.name}` }),
    ...(ratio === undefined ? {} : { ratio }),
    took_s: seconds,
  });
  const json = {
    bench: name,
    ...figures,
    ...(baseline === undefined ? {} : { baseline }),
    ...(ratio === undefined ? {} : { ratio }),
  };
  process.stdout.write(`${name}: ${bench.about}\n${lines.join("\n")}\n${JSON.stringify(json)}\n`);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exitCode = 1;
}
