import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Running } from "../../src/platform/lifecycle.js";

export interface Engine extends Running {
  readonly url: string;
  readonly pid: number;
}

/** Starts one embedded engine on an empty directory, in a process of its own. */
export async function startEngine(kind: "eventstore" | "documents"): Promise<Engine> {
  const path = await mkdtemp(join(tmpdir(), `fleetlog-bench-${kind}-`));
  const child = fork(fileURLToPath(new URL("./serve-engine.js", import.meta.url)), [kind, path]);
  const ended = once(child, "exit");
  const [first] = (await Promise.race([once(child, "message"), ended])) as [unknown];
  if (typeof first !== "object" || first === null || !("url" in first)) {
    throw new Error(`the embedded ${kind} engine ended before it was up`);
  }
  return {
    url: String(first.url),
    pid: child.pid ?? 0,
    async stop() {
      if (child.connected) child.disconnect();
      await ended;
      await rm(path, { recursive: true, force: true });
    },
  };
}
