/** The load in a process of its own: it must not share an event loop, or a processor time account, with what it measures. */
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { MqttLoad, MqttLoadResult, Warm } from "./mqtt-loader.js";
import { runMqttLoad } from "./mqtt-loader.js";

type Answer = { readonly warm: Parameters<Warm>[0] } | { readonly result: MqttLoadResult } | { readonly error: string };

const GO = "go";

/** Rejects when the load could not even begin: nothing listens, or a device is not let in; and with what `warm` rejects with. */
export function runMqttLoadInProcess(load: MqttLoad, warm: Warm = () => Promise.resolve()): Promise<MqttLoadResult> {
  return new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(import.meta.url), { execArgv: [] });
    child.on("message", (answer: Answer) => {
      if ("warm" in answer) {
        warm(answer.warm).then(
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

function tell(answer: Answer): void {
  process.send?.(answer);
}

/** Says so, and waits for the word to go on. */
function toldWarm(warm: Parameters<Warm>[0]): Promise<void> {
  return new Promise((resolve) => {
    process.once("message", () => resolve());
    tell({ warm });
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url) && process.send !== undefined) {
  process.once("message", (load: MqttLoad) => {
    runMqttLoad(load, toldWarm).then(
      (result) => tell({ result }),
      (error: unknown) => tell({ error: String(error) }),
    );
  });
}
