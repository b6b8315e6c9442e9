/** The dependency rules between the parts of src: a table, and what it says of an import. */
import type { Import, SourceFile } from "./source-files.js";

/**
 * How much of another part may be imported: `all` its files, its `index` alone (the port that it declares), or only the
 * `types` of its files, so that the thing itself comes as an argument.
 */
type Extent = "all" | "index" | "types";

const everything = {
  domain: "all",
  platform: "all",
  tls: "all",
  config: "all",
  events: "all",
  engines: "all",
  embedded: "all",
  commands: "all",
  "commands/processes": "all",
  projections: "all",
  ingest: "all",
  processing: "all",
  graphql: "all",
  rest: "all",
  "process-report": "all",
} as const satisfies Readonly<Record<string, Extent>>;

/**
 * Who may import whom; what is not here is refused. Within one's own part everything goes.
 * A part is a folder of src, a folder within one that has rules of its own, or a file of src.
 */
const mayImport: Readonly<Record<string, Readonly<Record<string, Extent>>>> = {
  domain: {},
  platform: {},
  tls: { platform: "all" },
  config: {},
  events: { domain: "all" },
  engines: { platform: "all" },
  embedded: { platform: "all" },
  commands: { domain: "all", events: "all", engines: "all", platform: "all" },
  // Process managers stand at the end of the rivers: they read what devices said and what the read models show.
  "commands/processes": {
    domain: "all",
    events: "all",
    engines: "all",
    platform: "all",
    commands: "all",
    projections: "index",
    ingest: "index",
  },
  projections: { domain: "all", events: "all", engines: "all", platform: "all", commands: "index" },
  ingest: { domain: "all", engines: "all", platform: "all", projections: "index", tls: "types" },
  processing: {
    domain: "all",
    events: "all",
    engines: "all",
    platform: "all",
    commands: "index",
    projections: "index",
    ingest: "index",
  },
  graphql: {
    domain: "all",
    events: "all",
    platform: "all",
    engines: "types",
    commands: "index",
    "commands/processes": "types",
    projections: "index",
    ingest: "types",
    rest: "all",
  },
  rest: {
    domain: "all",
    events: "all",
    platform: "all",
    tls: "types",
    engines: "types",
    commands: "index",
    "commands/processes": "types",
    projections: "index",
    ingest: "types",
    graphql: "all",
  },
  cli: {
    domain: "all",
    events: "all",
    platform: "all",
    config: "all",
    "data-dir": "all",
    engines: "all",
    commands: "index",
    projections: "index",
    rest: "all",
  },
  demo: {
    domain: "all",
    events: "all",
    platform: "all",
    config: "all",
    "data-dir": "all",
    engines: "all",
    commands: "index",
    rest: "all",
    supervisor: "all",
  },
  // Composition: the container makes the clients and the ports, the roles take from it what each of them starts.
  container: everything,
  roles: { ...everything, container: "all", "http-roles": "all" },
  "http-roles": { ...everything, container: "all" },
  "data-dir": { platform: "all" },
  "process-report": { platform: "all" },
  supervisor: {
    platform: "all",
    config: "all",
    embedded: "all",
    "data-dir": "all",
    "process-report": "all",
    // For the check of the bridge's mapping before anything starts.
    ingest: "index",
  },
  "run-roles": {
    platform: "all",
    config: "all",
    embedded: "all",
    container: "all",
    roles: "all",
    "process-report": "all",
  },
  main: { platform: "all", config: "all", embedded: "all", container: "all", supervisor: "all", "run-roles": "all" },
};

/** The longest first: `commands/processes` is not `commands`. */
const parts = Object.keys(mayImport).toSorted((a, b) => b.length - a.length);

/** `src/commands/processes/x.ts` → `commands/processes`; `src/config.ts` → `config`; undefined for a part without rules. */
export function partOf(path: string): string | undefined {
  return parts.find((part) => path === `src/${part}.ts` || path.startsWith(`src/${part}/`));
}

/** Says what is wrong with an import, and by which rule; undefined when nothing is. */
export function objection({ path }: SourceFile, { file, typeOnly }: Import): string | undefined {
  if (file === undefined) return undefined;
  const from = partOf(path);
  const to = partOf(file);
  const said = `${path} imports ${file}`;
  if (from === undefined || to === undefined) {
    return `${said}: give ${from === undefined ? path : file} its row in the table of test/architecture/rules.ts`;
  }
  if (from === to) return undefined;
  const extent = mayImport[from]?.[to];
  switch (extent) {
    case undefined:
      return `${said}: ${from} may not import ${to}`;
    case "all":
      return undefined;
    case "index":
      return file === `src/${to}/index.ts` ? undefined : `${said}: ${from} may import ${to} through its index.ts only`;
    case "types":
      return typeOnly
        ? undefined
        : `${said}: ${from} may only import types of ${to}, and takes the thing as an argument`;
  }
}

/** Each cycle of imports that are there at run time, as `a → b → a`, found by a walk that meets every file once. */
export function cycles(all: readonly SourceFile[]): readonly string[] {
  const next = new Map(
    all.map(({ path, imports }) => [
      path,
      imports.flatMap(({ file, typeOnly }) => (file === undefined || typeOnly ? [] : [file])),
    ]),
  );
  const done = new Set<string>();
  const found: string[] = [];
  const walk = (path: string, trail: readonly string[]): void => {
    const seen = trail.indexOf(path);
    if (seen >= 0) found.push([...trail.slice(seen), path].join(" → "));
    if (seen >= 0 || done.has(path)) return;
    for (const to of next.get(path) ?? []) walk(to, [...trail, path]);
    done.add(path);
  };
  for (const path of next.keys()) walk(path, []);
  return found;
}
