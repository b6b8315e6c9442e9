import { Counter, Gauge, Histogram } from "../platform/metrics.js";
import type { Registry } from "../platform/metrics.js";

export interface OperationMetrics {
  /** Operations, by kind (query, mutation, subscription, or "none" for what could not be read). */
  readonly operations: Counter<"kind">;
  readonly seconds: Histogram<"kind">;
  /** What was refused or failed, by code. */
  readonly errors: Counter<"code">;
  readonly sockets: Gauge;
  readonly subscriptions: Gauge;
}

export function createOperationMetrics(registry: Registry): OperationMetrics {
  const registers = [registry];
  return {
    operations: new Counter({
      name: "fleetlog_graphql_operations_total",
      help: "GraphQL operations",
      labelNames: ["kind"],
      registers,
    }),
    seconds: new Histogram({
      name: "fleetlog_graphql_operation_seconds",
      help: "From a GraphQL request's arrival to its answer",
      labelNames: ["kind"],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5],
      registers,
    }),
    errors: new Counter({
      name: "fleetlog_graphql_errors_total",
      help: "GraphQL errors by their code",
      labelNames: ["code"],
      registers,
    }),
    sockets: new Gauge({ name: "fleetlog_graphql_sockets", help: "Open GraphQL WebSockets", registers }),
    subscriptions: new Gauge({ name: "fleetlog_graphql_subscriptions", help: "Running subscriptions", registers }),
  };
}
