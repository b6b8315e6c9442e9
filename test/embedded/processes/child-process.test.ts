import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import {
  identityOf,
  startNodeProcess,
  superviseChild,
  type ChildProcessOptions,
  type SupervisedChild,
} from "../../../src/embedded/processes/index.js";
import { silentLogger } from "../../../src/platform/logger.js";
import { waitFor } from "../../support/wait-for.js";
import { startParent } from "./parent.js";

const role = fileURLToPath(new URL("children/role.mjs", import.meta.url));
const running: SupervisedChild[] = [];

async function supervise(options: Partial<ChildProcessOptions> = {}): Promise<SupervisedChild> {
  const child = await superviseChild({
    name: "sleep",
    command: "sleep",
    args: ["600"],
    logger: silentLogger,
    ready: () => true,
    ...options,
  });
  running.push(child);
  return child;
}

function pidOf(child: SupervisedChild): number {
  const pid = child.pid();
  if (pid === undefined) throw new Error("the child does not run");
  return pid;
}

afterEach(async () => {
  await Promise.all(running.splice(0).map((child) => child.stop()));
});

describe("a supervised child", () => {
  it("is started again when it dies, and says so in its health", async () => {
    let isReady = true;
    const child = await supervise({ ready: () => isReady });
    const first = pidOf(child);
    expect(child.health()).toEqual([{ name: "sleep", state: "up" }]);

    // The next one is not ready before its predecessor's death has been seen: it may be there within a millisecond.
    isReady = false;
    process.kill(first, "SIGKILL");

    await waitFor(() => child.health()[0]?.state === "down", { what: "its death to be seen" });
    expect(child.health()[0]?.detail).toBe("ended by SIGKILL; starting it again");
    isReady = true;
    const second = await waitFor(() => child.health()[0]?.state === "up" && pidOf(child), { what: "its return" });
    expect(second).not.toBe(first);
  });

  it("ends with its last words when it never becomes ready", async () => {
    const start = supervise({ command: "sh", args: ["-c", "echo no licence found >&2; exit 4"], ready: () => false });
    await expect(start).rejects.toThrow("sleep did not start: exited with code 4. It said last: no licence found");
  });

  it("is not waited for longer than it may take", async () => {
    const start = supervise({ ready: () => false, readyWithinMs: 100 });
    await expect(start).rejects.toThrow("sleep did not start: not ready after 100 ms");
  });

  it("says which program is not there", async () => {
    const start = supervise({ command: "/nowhere/program", ready: () => false });
    await expect(start).rejects.toThrow(/sleep did not start: .*\/nowhere\/program/u);
  });

  it("ends at SIGTERM when it is stopped, and is not started again", async () => {
    const child = await supervise();
    const pid = pidOf(child);
    await child.stop();
    expect(identityOf(pid)).toBeUndefined();
    expect(child.pid()).toBeUndefined();
    expect(child.health()).toEqual([{ name: "sleep", state: "down", detail: "stopped" }]);
  });

  it("is killed when it does not heed SIGTERM within its grace", async () => {
    const deaf = "process.on('SIGTERM', () => {}); setInterval(() => {}, 1000); process.send('deaf')";
    let isDeaf = false;
    const child = await supervise({
      command: process.execPath,
      args: ["-e", deaf],
      graceMs: 100,
      ready: () => isDeaf,
      onMessage: () => {
        isDeaf = true;
      },
    });
    const pid = pidOf(child);
    await child.stop();
    expect(identityOf(pid)).toBeUndefined();
  });

  it("can be stopped while it is down", async () => {
    let isReady = true;
    const child = await supervise({ ready: () => isReady });
    // What is started again is never ready, so that it stays down long enough to be seen.
    isReady = false;
    process.kill(pidOf(child), "SIGKILL");
    await waitFor(() => child.health()[0]?.state === "down");
    await child.stop();
    expect(child.pid()).toBeUndefined();
  });

  it.each(["kernel", "shell"])("ends when its parent is killed (%s guard)", async (guard) => {
    const parent = await startParent("sleep", ".", guard);
    expect(identityOf(parent.said.pid)?.commandLine).toContain("sleep 600");
    await parent.kill("SIGKILL");
    await waitFor(() => identityOf(parent.said.pid) === undefined, { what: "the child's end" });
  });
});

describe("a role as a child", () => {
  it("answers over its channel, in every life of its", async () => {
    const heard: unknown[] = [];
    const child = await startNodeProcess({
      name: "role",
      script: role,
      logger: silentLogger,
      isReady: (message) => message === "ready",
      onMessage: (message) => heard.push(message),
      onStarted: (send) => send("hello"),
    });
    running.push(child);
    const first = pidOf(child);
    await waitFor(() => heard.length >= 2);
    expect(heard).toEqual(["ready", { echo: "hello", pid: first }]);

    expect(child.send("die")).toBe(true);
    const second = await waitFor(
      () => child.pid() !== first && heard.length >= 4 && child.health()[0]?.state === "up" && child.pid(),
    );
    await waitFor(() => heard.length >= 4);
    expect(heard.slice(2)).toEqual(["ready", { echo: "hello", pid: second }]);
  });

  it("ends when its parent is killed", async () => {
    const parent = await startParent("node", ".", role);
    expect(identityOf(parent.said.pid)?.commandLine).toContain(role);
    await parent.kill("SIGKILL");
    await waitFor(() => identityOf(parent.said.pid) === undefined, { what: "the role's end" });
  });
});
