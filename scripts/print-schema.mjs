// Writes schema.graphql from the built code: `npm run build && node scripts/print-schema.mjs`.
import { writeFile } from "node:fs/promises";
import { printFleetlogSchema } from "../dist/src/graphql/index.js";

await writeFile(new URL("../schema.graphql", import.meta.url), printFleetlogSchema());
