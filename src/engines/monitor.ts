import { setTimeout as sleep } from "node:timers/promises";
import { BACKWARDS } from "@eventstore/db-client";
import type { EventStoreDBClient } from "@eventstore/db-client";
import type { Db } from "mongodb";
import type { NatsConnection } from "nats";
import { messageOf } from "../platform/errors.js";
import type { HasHealth, PartHealth, Running } from "../platform/lifecycle.js";
import type { Logger } from "../platform/logger.js";
import type { Influx } from "./influx.js";

const EVERY_MS = 2_000;
const ANSWER_WITHIN_MS = 3_000;

export interface Engines {
  readonly eventstore: EventStoreDBClient;
  readonly db: Db;
  readonly nats: NatsConnection;
  readonly influx: Influx;
}

/** Asks each engine every two seconds for a sign of life, so that /readyz can answer from memory; one log line when one goes or comes back. */
export function monitorEngines(engines: Engines, logger: Logger): Running & HasHealth {
  const { eventstore, db, nats, influx } = engines;
  const asks: Readonly<Record<string, () => Promise<unknown>>> = {
    eventstore: async () => {
      for await (const _newest of eventstore.readAll({
        direction: BACKWARDS,
        maxCount: 1,
      }));
    },
    mongodb: () => db.command({ ping: 1 }),
    nats: () => (nats.isClosed() ? Promise.reject(new Error("the connection is closed")) : nats.flush()),
    influxdb: async () => {
      const response = await fetch(new URL("/ping", influx.url), { signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
      if (!response.ok) throw new Error(`/ping answered ${response.status}`);
    },
  };
  const health = new Map<string, PartHealth>(
    Object.keys(asks).map((name) => [name, { name, state: "degraded", detail: "not asked yet" }]),
  );
  const stopping = new AbortController();

  async function watch(name: string, ask: () => Promise<unknown>): Promise<void> {
    /** Asked already, and not answered: an engine that stands still is not asked again on top of it. */
    let asked: Promise<unknown> | undefined;
    const answer = (): Promise<unknown> =>
      (asked ??= ask().finally(() => {
        asked = undefined;
      }));
    while (!stopping.signal.aborted) {
      const before = health.get(name);
      try {
        await within(answer());
        if (before?.state === "down") logger.info({ engine: name }, "the engine answers again");
        health.set(name, { name, state: "up" });
      } catch (error) {
        const detail = `does not answer: ${messageOf(error)}`;
        if (before?.state !== "down")
          logger.warn({ engine: name, error: messageOf(error) }, "the engine does not answer");
        health.set(name, { name, state: "down", detail });
      }
      await sleep(EVERY_MS, undefined, { signal: stopping.signal }).catch(() => undefined);
    }
  }

  const watching = Promise.all(Object.entries(asks).map(([name, ask]) => watch(name, ask)));
  return {
    health: () => [...health.values()],
    async stop() {
      stopping.abort();
      await watching;
    },
  };
}

/** Neither of the clients' own deadlines holds for a server that accepts and then says nothing. */
async function within(answer: Promise<unknown>): Promise<void> {
  const timeout = new AbortController();
  const tooLate = sleep(ANSWER_WITHIN_MS, undefined, { signal: timeout.signal }).then(() => {
    throw new Error(`no answer within ${ANSWER_WITHIN_MS} ms`);
  });
  try {
    await Promise.race([answer, tooLate]);
  } finally {
    timeout.abort();
    tooLate.catch(() => undefined);
  }
}
