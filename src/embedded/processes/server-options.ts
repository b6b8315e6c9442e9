import type { HasHealth, Running } from "../../platform/lifecycle.js";
import type { Logger } from "../../platform/logger.js";
import type { OnProgress } from "./find-or-install.js";

/** What every local server takes. */
export interface ServerOptions {
  /** Where it keeps its data, its configuration and its pid; created. Whoever starts it holds the data folder's lock. */
  readonly dataDir: string;
  /** Wished for; moved when it is taken. Any free one when not given. */
  readonly port?: number;
  readonly logger: Logger;
  readonly onProgress?: OnProgress;
}

/** What every local server gives. Its url and port stay the same over restarts. */
export interface LocalServer extends Running, HasHealth {
  readonly url: string;
  readonly port: number;
  /** `undefined` between a death and the next start. */
  pid(): number | undefined;
}

/** Starts on the port wished for; if somebody takes it between our look and the server's bind, on another one, twice. */
export async function onFreePort<T>(ports: () => Promise<number>, start: (port: number) => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await start(await ports());
    } catch (error) {
      const taken = error instanceof Error && /address already in use/iu.test(error.message);
      if (!taken || tries >= 3) throw error;
    }
  }
}
