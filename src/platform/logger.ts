import { pino } from "pino";
import type { Logger } from "pino";

export type { Logger };

export type LogLevel = "fatal" | "error" | "warn" | "info" | "debug" | "trace";

/**
 * The one logger: JSON lines on standard error (standard output belongs to commands and their results),
 * pretty on a terminal. Children carry their own fields: `logger.child({ role: "writer" })`.
 * Anything that belongs to one request, message or command is logged with its `correlationId`.
 */
export function createLogger(options: { readonly level?: LogLevel; readonly name?: string } = {}): Logger {
  const base = {
    level: options.level ?? "info",
    base: options.name === undefined ? {} : { name: options.name },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  if (process.stderr.isTTY) {
    const { formatters: _, ...pretty } = base;
    return pino({
      ...pretty,
      transport: { target: "pino-pretty", options: { destination: 2, ignore: "pid,hostname" } },
    });
  }
  // Synchronous: a line written just before a crash is the line that explains it.
  return pino(base, pino.destination({ dest: 2, sync: true }));
}

/** A logger that says nothing: the default in tests, where failures speak through assertions. */
export const silentLogger: Logger = pino({ level: "silent" });
