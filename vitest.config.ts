import { createRequire } from "node:module";
import { defineConfig } from "vitest/config";

const require = createRequire(import.meta.url);

export default defineConfig({
  resolve: {
    // One copy of graphql, whoever imports it: two would be "another realm" to its instanceof checks.
    alias: [{ find: /^graphql$/, replacement: require.resolve("graphql/index.mjs") }],
  },
  test: {
    include: ["test/**/*.test.ts"],
    // Tests wait on conditions; this bound only ends one whose condition never comes.
    testTimeout: 120_000,
    hookTimeout: 180_000,
    maxWorkers: 2,
    server: {
      deps: {
        inline: [
          "type-graphql",
          "@apollo/server",
          "graphql-ws",
          /@graphql-tools/,
          "graphql-query-complexity",
          "graphql-scalars",
        ],
      },
    },
  },
});
