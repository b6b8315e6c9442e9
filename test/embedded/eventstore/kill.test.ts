import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { EventStoreDBClient } from "@eventstore/db-client";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { bundleTs } from "../../support/spawn-ts.js";
import type { BundledTs } from "../../support/spawn-ts.js";
import { waitFor } from "../../support/wait-for.js";
import { counted, temporaryDirectory } from "./start.js";

let program: BundledTs;
beforeAll(async () => {
  program = await bundleTs(new URL("serve.ts", import.meta.url));
});
afterAll(() => program.remove());

async function serve(path: string, flush: string): Promise<{ child: ChildProcess; client: EventStoreDBClient }> {
  const child = spawn(process.execPath, [program.path, path, flush], { stdio: ["ignore", "pipe", "inherit"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  const [url] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
  return { child, client: EventStoreDBClient.connectionString(url) };
}

interface Acknowledged {
  readonly stream: string;
  readonly last: bigint;
}

/** Appends three events at a time until the server is gone; every acknowledgement goes into `acknowledged`. */
async function writeUntilGone(client: EventStoreDBClient, stream: string, acknowledged: Acknowledged[]): Promise<void> {
  for (;;) {
    try {
      const { nextExpectedRevision } = await client.appendToStream(stream, counted(3));
      acknowledged.push({ stream, last: nextExpectedRevision });
    } catch {
      return;
    }
  }
}

async function length(client: EventStoreDBClient, stream: string): Promise<number> {
  let count = 0;
  for await (const { event } of client.readStream(stream)) {
    expect(event?.revision).toBe(BigInt(count));
    count += 1;
  }
  return count;
}

describe("killed with -9 while many write", () => {
  it.each(["before-answer", "after-answer"])(
    "has every acknowledged append, flushed %s, and each whole",
    async (flush) => {
      const path = await temporaryDirectory();
      const acknowledged: Acknowledged[] = [];
      const streams = Array.from({ length: 16 }, (_, n) => `s-${n}`);
      for (let kills = 0; kills < 4; kills += 1) {
        const { child, client } = await serve(path, flush);
        const before = acknowledged.length;
        const writing = streams.map((stream) => writeUntilGone(client, stream, acknowledged));
        await waitFor(() => acknowledged.length >= before + 300, { everyMs: 5 });
        child.kill("SIGKILL");
        await Promise.all([...writing, once(child, "exit")]);
        await client.dispose();
      }

      const { client } = await serve(path, flush);
      let total = 0;
      for (const stream of streams) {
        const stored = await length(client, stream);
        const last = acknowledged.findLast((one) => one.stream === stream)?.last ?? -1n;
        expect(stored).toBeGreaterThan(Number(last));
        expect(stored % 3).toBe(0);
        total += stored;
      }
      let position = 0n;
      for await (const { event } of client.readAll()) {
        position += 1n;
        expect(event?.position.commit).toBe(position);
      }
      expect(position).toBe(BigInt(total));
      await client.dispose();
    },
  );
});
