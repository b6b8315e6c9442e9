/** The load in a process of its own: it must not share an event loop, or a processor time account, with what it measures. */
import { fork } from "node:child_process";
import { writeFileSync } from "node:fs";
import { setPriority } from "node:os";
import { fileURLToPath } from "node:url";
import type { MqttLoad, MqttLoadResult, Over, Warm } from "./mqtt-loader.js";
import { runMqttLoad } from "./mqtt-loader.js";

type Answer =
  | { readonly warm: Parameters<Warm>[0] }
  | { readonly over: true }
  | { readonly result: MqttLoadResult }
  | { readonly error: string };

const GO = "go";
const BEFORE_OTHERS = -10;

/** Rejects when the load could not even begin: nothing listens, or a device is not let in; and with what `warm` or `over` reject with. */
export function runMqttLoadInProcess(
  load: MqttLoad,
  warm: Warm = () => Promise.resolve(),
  over: Over = () => Promise.resolve(),
): Promise<MqttLoadResult> {
  return new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(import.meta.url), { execArgv: [], detached: true });
    child.on("message", (answer: Answer) => {
      if ("warm" in answer || "over" in answer) {
        ("warm" in answer ? warm(answer.warm) : over()).then(
          () => child.send(GO),
          (error: unknown) => {
            child.kill();
            reject(error instanceof Error ? error : new Error(String(error)));
          },
        );
        return;
      }
      child.disconnect();
      if ("result" in answer) resolve(answer.result);
      else reject(new Error(answer.error));
    });
    child.once("error", reject);
    child.once("exit", (code) =>
      reject(new Error(`the load generator ended with code ${String(code)} before its result`)),
    );
    child.send(load);
  });
}

/**
 * A steady load is a measuring device, and must be on time: devices do not compete with the platform for its processors.
 * Left as it is where the user may not ask for that; latencies then have in them what the load itself waited for.
 */
function goFirst(): void {
  try {
    setPriority(BEFORE_OTHERS);
    // Where Linux shares the processors among sessions first, this process being one of its own.
    writeFileSync("/proc/self/autogroup", String(BEFORE_OTHERS));
  } catch {
    // An ordinary user, or no such file.
  }
}

function tell(answer: Answer): void {
  process.send?.(answer);
}

/** Says so, and waits for the word to go on. */
function told(answer: Answer): Promise<void> {
  return new Promise((resolve) => {
    process.once("message", () => resolve());
    tell(answer);
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url) && process.send !== undefined) {
  // Whoever started it is gone: a session of its own outlives a Ctrl-C.
  process.once("disconnect", () => process.exit(0));
  process.once("message", (load: MqttLoad) => {
    if (load.rate !== undefined) goFirst();
    runMqttLoad(
      load,
      (warm) => told({ warm }),
      () => told({ over: true }),
    ).then(
      (result) => tell({ result }),
      (error: unknown) => tell({ error: String(error) }),
    );
  });
}
