import { EventStoreDBClient } from "@eventstore/db-client";
import { createCircuitBreaker } from "../platform/circuit-breaker.js";

/** One client a process. `url` is EventStoreDB's connection string, `esdb://…`. */
export function connectEventStore(url: string): EventStoreDBClient {
  const client = EventStoreDBClient.connectionString(url);
  const breaker = createCircuitBreaker({ what: "the event store", isAway });
  const append = client.appendToStream.bind(client);
  // Only what decides fails fast: subscriptions and reads have back-offs of their own, and find the way back by them.
  client.appendToStream = (...given: Parameters<typeof append>) => breaker.run(() => append(...given));
  return client;
}

/** The client names all of its errors "Error", and says in `type` what they are. */
const AWAY = new Set<unknown>(["unavailable", "deadline-exceeded", "timeout", "cancelled"]);

function isAway(error: unknown): boolean {
  return error instanceof Error && "type" in error && AWAY.has(error.type);
}
