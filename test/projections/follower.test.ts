import { EventStoreDBClient } from "@eventstore/db-client";
import { pino } from "pino";
import { expect, it } from "vitest";
import { follow } from "../../src/projections/follower.js";
import { waitFor } from "../support/wait-for.js";

const away = () => Promise.reject(new Error("the document store is away"));

it("says once why it has lost the log, however often it tries again", async () => {
  const lines: { readonly level: number; readonly msg: string }[] = [];
  const logger = pino({ level: "debug" }, { write: (line: string) => void lines.push(JSON.parse(line) as never) });
  const follower = follow(
    {
      // Nothing listens there: it is never asked, because the checkpoint cannot be read.
      client: EventStoreDBClient.connectionString("esdb://127.0.0.1:1?tls=false"),
      checkpoints: { load: away, store: away, remove: away },
      logger,
      fence: 1,
    },
    { name: "test", categories: ["device"], handle: () => Promise.resolve() },
  );
  await waitFor(() => lines.filter(({ msg }) => msg.startsWith("lost the log")).length >= 4);
  expect(lines.filter(({ level }) => level === 40)).toHaveLength(1);
  expect(follower.health()).toMatchObject([{ state: "degraded", detail: "the document store is away" }]);
  await follower.stop();
});
