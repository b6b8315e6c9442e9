import { EventStoreDBClient } from "@eventstore/db-client";

/** One client a process. `url` is EventStoreDB's connection string, `esdb://…`. */
export function connectEventStore(url: string): EventStoreDBClient {
  return EventStoreDBClient.connectionString(url);
}
