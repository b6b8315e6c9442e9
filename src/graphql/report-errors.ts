import type { GraphQLError } from "graphql";
import { messageOf } from "../platform/errors.js";
import type { ErrorCode } from "../platform/errors.js";
import type { Logger } from "../platform/logger.js";
import { causeOf, seenError } from "./errors.js";
import type { OperationMetrics } from "./operation-metrics.js";

/**
 * Counts what a request is refused with, stamps it with the request's id, and logs what is a defect or an outage: the caller
 * sees only the id. A line each for a request's defects and outages, the first of them: a page of 500 devices fails in 500 places.
 */
export function reportErrors(
  errors: readonly GraphQLError[],
  correlationId: string,
  { logger, metrics }: { readonly logger: Logger; readonly metrics: OperationMetrics },
): void {
  const logged = new Map<ErrorCode, { readonly first: GraphQLError; places: number }>();
  for (const error of errors) {
    const { code } = seenError(error);
    metrics.errors.inc({ code });
    error.extensions["correlationId"] = correlationId;
    if (code !== "INTERNAL" && code !== "UNAVAILABLE") continue;
    const same = logged.get(code);
    if (same === undefined) logged.set(code, { first: error, places: 1 });
    else same.places += 1;
  }
  for (const [code, { first, places }] of logged) {
    const about = { correlationId, code, path: first.path?.join("."), places };
    if (code === "INTERNAL") logger.error({ ...about, err: causeOf(first) }, "a GraphQL operation failed");
    else logger.warn({ ...about, error: reasonOf(first) }, "a GraphQL operation needs an engine that is away");
  }
}

/** What the engine's client said, where our own sentence stands around it. */
function reasonOf(error: GraphQLError): string {
  const ours = causeOf(error);
  return messageOf(ours instanceof Error && ours.cause !== undefined ? ours.cause : ours);
}
