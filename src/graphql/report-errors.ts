import type { GraphQLError } from "graphql";
import type { Logger } from "../platform/logger.js";
import { causeOf, seenError } from "./errors.js";
import type { OperationMetrics } from "./operation-metrics.js";

/** Counts what a request is refused with, stamps it with the request's id, and logs what is a defect or an outage: the caller sees only the id. */
export function reportErrors(
  errors: readonly GraphQLError[],
  correlationId: string,
  { logger, metrics }: { readonly logger: Logger; readonly metrics: OperationMetrics },
): void {
  for (const error of errors) {
    const { code } = seenError(error);
    metrics.errors.inc({ code });
    error.extensions["correlationId"] = correlationId;
    if (code === "INTERNAL" || code === "UNAVAILABLE") {
      const path = error.path?.join(".");
      logger.error({ correlationId, code, path, err: causeOf(error) }, "a GraphQL operation failed");
    }
  }
}
