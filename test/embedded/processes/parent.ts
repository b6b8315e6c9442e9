import { once } from "node:events";
import { createInterface } from "node:readline";
import { spawnTs } from "../../support/spawn-ts.js";

export interface Parent {
  /** What it said of its child. */
  readonly said: { readonly pid: number; readonly port: number; readonly url: string };
  kill(signal: NodeJS.Signals): Promise<void>;
}

/** A process of its own that starts `what` through our own code; resolves when that runs. */
export async function startParent(what: string, ...args: readonly string[]): Promise<Parent> {
  const child = await spawnTs("test/embedded/processes/children/parent.ts", [what, ...args]);
  if (child.stdout === null) throw new Error("the parent has no standard output");
  const exited = once(child, "exit");
  const lines = createInterface({ input: child.stdout });
  const first = await Promise.race([
    once(lines, "line").then(([line]: unknown[]) => String(line)),
    exited.then(() => "the parent ended before it said anything"),
  ]);
  const said = JSON.parse(first) as Parent["said"];
  return {
    said,
    async kill(signal) {
      child.kill(signal);
      await exited;
    },
  };
}
