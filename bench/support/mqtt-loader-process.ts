/** The load in a process of its own: it must not share an event loop, or a processor time account, with what it measures. */
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { MqttLoad, MqttLoadResult } from "./mqtt-loader.js";
import { runMqttLoad } from "./mqtt-loader.js";

type Answer = { readonly result: MqttLoadResult } | { readonly error: string };

/** Rejects when the load could not even begin: nothing listens, or a device is not let in. */
export function runMqttLoadInProcess(load: MqttLoad): Promise<MqttLoadResult> {
  return new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(import.meta.url), { execArgv: [] });
    child.once("message", (answer: Answer) => {
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

if (process.argv[1] === fileURLToPath(import.meta.url) && process.send !== undefined) {
  process.once("message", (load: MqttLoad) => {
    runMqttLoad(load).then(
      (result) => process.send?.({ result } satisfies Answer),
      (error: unknown) => process.send?.({ error: String(error) } satisfies Answer),
    );
  });
}
