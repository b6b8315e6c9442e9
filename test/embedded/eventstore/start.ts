import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EventStoreDBClient, jsonEvent } from "@eventstore/db-client";
import type { JSONEventData, JSONEventType } from "@eventstore/db-client";
import { onTestFinished } from "vitest";
import { startEventStore } from "../../../src/embedded/eventstore/index.js";
import type { EventStoreOptions, EventStoreServer } from "../../../src/embedded/eventstore/index.js";
import { silentLogger } from "../../../src/platform/logger.js";

export interface Started {
  readonly server: EventStoreServer;
  readonly client: EventStoreDBClient;
  readonly path: string;
  /** Stops the server and starts it again on the same directory and port. */
  readonly restart: () => Promise<EventStoreServer>;
}

/** A directory that is gone after the test. */
export async function temporaryDirectory(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "fleetlog-eventstore-"));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}

/**
 * A server on an empty directory, and the official client on it; both end with the test. It answers before it flushes, for
 * the sake of the disk that all tests share; kill.test.ts has it both ways.
 */
export async function started(given: Partial<EventStoreOptions> = {}): Promise<Started> {
  const options = { flush: "after-answer", ...given } as const;
  const path = options.path ?? (await temporaryDirectory());
  let server = await startEventStore({ path, logger: silentLogger, ...options });
  const client = EventStoreDBClient.connectionString(server.url);
  onTestFinished(async () => {
    await client.dispose();
    await server.stop();
  });
  return {
    get server() {
      return server;
    },
    client,
    path,
    restart: async () => {
      const { port } = server;
      await server.stop();
      server = await startEventStore({ path, logger: silentLogger, ...options, port });
      return server;
    },
  };
}

export type Counted = JSONEventType<"Counted", { n: number }>;

/** Events that can be told apart: `{n: from}`, `{n: from + 1}` … */
export function counted(count: number, from = 0): JSONEventData<Counted>[] {
  return Array.from({ length: count }, (_, i) => jsonEvent<Counted>({ type: "Counted", data: { n: from + i } }));
}
