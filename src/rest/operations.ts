import type { FastifyInstance } from "fastify";
import type { PartHealth } from "../platform/lifecycle.js";

export interface OperationsDeps {
  /** The parts of this process and what it knows of the others; answers from memory. */
  readonly health: () => readonly PartHealth[];
  /** The metrics of all processes of this machine, as Prometheus reads them. */
  readonly metrics: () => Promise<string>;
}

export type Readiness = "up" | "degraded" | "down";

/** As bad as its worst part. */
function readinessOf(parts: readonly PartHealth[]): Readiness {
  if (parts.some(({ state }) => state === "down")) return "down";
  return parts.some(({ state }) => state === "degraded") ? "degraded" : "up";
}

/**
 * `/healthz` says that the process answers, and looks at nothing else: an engine's outage is no reason to restart us.
 * `/readyz` says what works: 503 while any part is down; a degraded part still serves. `/metrics` is Prometheus's.
 */
export function registerOperations(app: FastifyInstance, { health, metrics }: OperationsDeps): void {
  app.get("/healthz", (_request, reply) => reply.header("cache-control", "no-store").send({ status: "ok" }));
  app.get("/readyz", (_request, reply) => {
    const parts = health();
    const status = readinessOf(parts);
    return reply
      .header("cache-control", "no-store")
      .code(status === "down" ? 503 : 200)
      .send({ status, parts });
  });
  app.get("/metrics", async (_request, reply) =>
    reply.type("text/plain; version=0.0.4; charset=utf-8").send(await metrics()),
  );
}
