import { spawnSync } from "node:child_process";
import {
  EventStoreDBClient,
  jsonEvent,
  persistentSubscriptionToStreamSettingsFromDefaults,
} from "@eventstore/db-client";
import type { JSONEventData } from "@eventstore/db-client";
import { open } from "lmdb";
import { describe, expect, it, onTestFinished } from "vitest";
import { startEventStore } from "../../../src/embedded/eventstore/index.js";
import { silentLogger } from "../../../src/platform/logger.js";
import { counted, started, temporaryDirectory } from "./start.js";

function fat(): JSONEventData {
  return jsonEvent({ type: "fat", data: { text: "x".repeat(100_000) } });
}

async function fillUp(client: EventStoreDBClient, stored: () => void): Promise<never> {
  for (;;) {
    await client.appendToStream("s", fat());
    stored();
  }
}

describe("the server", () => {
  it("is found by discovery as a cluster of one", async () => {
    const { server } = await started();
    const client = EventStoreDBClient.connectionString(`esdb+discover://127.0.0.1:${server.port}?tls=false`);
    onTestFinished(() => client.dispose());
    expect(await client.appendToStream("s", counted(1))).toMatchObject({ success: true });
  });

  it("refuses what it does not support, by name", async () => {
    const { client } = await started();
    await expect(
      client.createPersistentSubscriptionToStream("s", "group", persistentSubscriptionToStreamSettingsFromDefaults()),
    ).rejects.toThrow(/UNIMPLEMENTED.*PersistentSubscriptions\/Create/);
    await expect(client.listProjections()).rejects.toThrow(/UNIMPLEMENTED.*Projections/);
  });

  it("refuses a directory that another has open, and takes it when that is done", async () => {
    const path = await temporaryDirectory();
    const first = await startEventStore({ path, logger: silentLogger });
    await expect(startEventStore({ path, logger: silentLogger })).rejects.toThrow(`in use by process ${process.pid}`);
    await first.stop();
    const second = await startEventStore({ path, logger: silentLogger });
    await second.stop();
  });

  it("says so when its port is taken, and gives the directory back", async () => {
    const path = await temporaryDirectory();
    const { server } = await started();
    await expect(startEventStore({ path, logger: silentLogger, port: server.port })).rejects.toThrow(
      `cannot listen on 127.0.0.1:${server.port}`,
    );
    const other = await startEventStore({ path, logger: silentLogger });
    await other.stop();
  });

  it("answers every append that it has before it stops, and stops twice without complaint", async () => {
    const { client, server } = await started();
    const appends = Array.from({ length: 200 }, (_, n) => client.appendToStream(`s-${n}`, counted(2)));
    await appends[0];
    await Promise.all([server.stop(), server.stop()]);
    const outcomes = await Promise.allSettled(appends);
    expect(outcomes.filter(({ status }) => status === "fulfilled").length).toBeGreaterThan(0);
  });

  it("refuses appends while the disk is full, keeps what it has, and goes on when there is room", async (test) => {
    const path = await temporaryDirectory();
    const mount = (options: string): boolean =>
      spawnSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", path]).status === 0;
    // A file system of our own needs root; elsewhere there is nothing that we may fill.
    if (!mount("size=4m")) test.skip("cannot mount a small file system");
    onTestFinished(() => void spawnSync("umount", [path]));
    const { client, server } = await started({ path });
    let stored = 0;
    const full: unknown = await fillUp(client, () => (stored += 1)).catch((error: unknown) => error);
    expect(full).toMatchObject({ message: expect.stringContaining("nothing was written") });
    await expect(client.appendToStream("t", fat())).rejects.toThrow("nothing was written");
    expect(stored).toBeGreaterThan(3);

    expect(mount("remount,size=64m")).toBe(true);
    const { nextExpectedRevision } = await client.appendToStream("s", fat());
    expect(nextExpectedRevision).toBe(BigInt(stored));
    let read = 0;
    for await (const { event } of client.readStream("s")) read += event === undefined ? 0 : 1;
    expect(read).toBe(stored + 1);
    await server.stop();
  });

  it("refuses a file in which an event is damaged, and names the event", async () => {
    const path = await temporaryDirectory();
    const first = await startEventStore({ path, logger: silentLogger });
    const writer = EventStoreDBClient.connectionString(first.url);
    for (const n of [0, 1, 2]) await writer.appendToStream(`s-${n}`, counted(1));
    await writer.dispose();
    await first.stop();
    const file = open({ path, encoding: "binary" });
    const log = file.openDB<Buffer, number>("log", { encoding: "binary" });
    const bytes = Buffer.from(log.get(2) ?? []);
    bytes.writeUInt8(bytes.readUInt8(bytes.length - 1) ^ 1, bytes.length - 1);
    log.putSync(2, bytes);
    await file.close();

    const refused = "The event at position 2 is damaged";
    await expect(startEventStore({ path, logger: silentLogger })).rejects.toThrow(refused);
    // The directory is not held back by the one that could not use it.
    await expect(startEventStore({ path, logger: silentLogger })).rejects.toThrow(refused);
  });
});
