import { GraphQLError } from "graphql";
import { pino } from "pino";
import { expect, it } from "vitest";
import { createOperationMetrics } from "../../src/graphql/operation-metrics.js";
import { reportErrors } from "../../src/graphql/report-errors.js";
import { FleetlogError } from "../../src/platform/errors.js";
import { createMetrics } from "../../src/platform/metrics.js";

it("a request that fails in hundreds of places is a line for each kind, and every place is counted and stamped", async () => {
  const lines: Record<string, unknown>[] = [];
  const logger = pino({}, { write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>) });
  const registry = createMetrics();
  const away = new FleetlogError("UNAVAILABLE", "try again", {}, { cause: new Error("connect ECONNREFUSED 10.0.0.7") });
  const errors = [away, new TypeError("a defect"), new FleetlogError("NOT_FOUND", "no such")].flatMap((originalError) =>
    Array.from({ length: 300 }, (_, n) => new GraphQLError("", { originalError, path: ["devices", n] })),
  );
  reportErrors(errors, "id-1", { logger, metrics: createOperationMetrics(registry) });
  expect(lines).toMatchObject([
    { level: 40, code: "UNAVAILABLE", places: 300, path: "devices.0", error: "connect ECONNREFUSED 10.0.0.7" },
    { level: 50, code: "INTERNAL", places: 300, err: { message: "a defect" } },
  ]);
  expect(errors.every(({ extensions }) => extensions["correlationId"] === "id-1")).toBe(true);
  expect(await registry.metrics()).toMatch(/graphql_errors_total\{code="NOT_FOUND"\} 300/u);
});
