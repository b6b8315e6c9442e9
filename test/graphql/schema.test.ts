import { readFile } from "node:fs/promises";
import { expect, it } from "vitest";
import { printFleetlogSchema } from "../../src/graphql/index.js";

const file = new URL("../../schema.graphql", import.meta.url);

it("schema.graphql is what the code says: run `npm run build && node scripts/print-schema.mjs` when it is not", async () => {
  expect(await readFile(file, "utf8")).toBe(printFleetlogSchema());
});
