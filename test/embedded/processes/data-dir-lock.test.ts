import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { lockDataDir } from "../../../src/embedded/processes/index.js";
import { startParent } from "./parent.js";

let dataDir: string;

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "fleetlog-lock-"));
});

afterEach(async () => {
  await rm(dataDir, { recursive: true, force: true });
});

describe("the data folder's lock", () => {
  it("refuses a second platform, naming the first, and lets it in once the first has gone", () => {
    const lock = lockDataDir(dataDir);
    expect(() => lockDataDir(dataDir)).toThrow(
      `The data folder ${dataDir} is in use by process ${process.pid}: stop that one, or set FLEETLOG_DATA_DIR to another folder.`,
    );
    lock.release();
    lockDataDir(dataDir).release();
  });

  it("is free again after a kill -9 of its holder", async () => {
    const holder = await startParent("lock", dataDir);
    expect(() => lockDataDir(dataDir)).toThrow(`in use by process ${holder.said.pid}`);
    await holder.kill("SIGKILL");
    lockDataDir(dataDir).release();
  });

  it("is not held by a later process that got the dead holder's pid", async () => {
    const recycled = { pid: process.pid, startedAt: "another boot:1", token: "dead" };
    await writeFile(join(dataDir, "fleetlog.lock"), JSON.stringify(recycled));
    const lock = lockDataDir(dataDir);
    expect(() => lockDataDir(dataDir)).toThrow("in use");
    lock.release();
  });

  it("is not held by a file that is no lock", async () => {
    await writeFile(join(dataDir, "fleetlog.lock"), "");
    const lock = lockDataDir(dataDir);
    expect(() => lockDataDir(dataDir)).toThrow("in use");
    lock.release();
  });

  it("leaves no files behind", async () => {
    lockDataDir(dataDir).release();
    expect(await readdir(dataDir)).toEqual([]);
  });
});
