import { readFileSync, readdirSync } from "node:fs";
import type { FragmentDefinitionNode, OperationDefinitionNode } from "graphql";
import { Kind, buildSchema, parse, validate, visit } from "graphql";
import { describe, expect, it } from "vitest";
import { CHANGES } from "../../src/cli/commands/device-queries.js";
import { printFleetlogSchema } from "../../src/graphql/index.js";

const folder = new URL("../../src/cli/commands/", import.meta.url);
const schema = buildSchema(printFleetlogSchema());

/** Every operation of a file, with the fragments of that file that it spreads. */
function operations(file: string): readonly { readonly name: string; readonly text: string }[] {
  const source = readFileSync(new URL(file, folder), "utf8");
  const definitions = [...source.matchAll(/\/\* GraphQL \*\/ `([^`]*)`/gu)].flatMap(
    ([, text = ""]) => parse(text).definitions,
  );
  const fragments = definitions.filter(
    (node): node is FragmentDefinitionNode => node.kind === Kind.FRAGMENT_DEFINITION,
  );
  return definitions
    .filter((node): node is OperationDefinitionNode => node.kind === Kind.OPERATION_DEFINITION)
    .map((operation) => {
      const spread = new Set<string>();
      visit(operation, { FragmentSpread: ({ name }) => void spread.add(name.value) });
      const used = [operation, ...fragments.filter(({ name }) => spread.has(name.value))];
      const text = used.map(({ loc }) => loc?.source.body.slice(loc.start, loc.end)).join("\n");
      const [first] = operation.selectionSet.selections;
      return { name: first?.kind === Kind.FIELD ? first.name.value : file, text };
    });
}

const all = [
  ...readdirSync(folder).flatMap(operations),
  ...Object.entries(CHANGES).map(([name, text]) => ({ name, text })),
];

describe("what the command line asks", () => {
  it("is there to be checked", () => {
    expect(all.length).toBeGreaterThan(20);
  });

  it.each(all)("$name is in the schema", ({ text }) => {
    expect(validate(schema, parse(text)).map(({ message }) => message)).toEqual([]);
  });
});
