import type { Command } from "commander";
import type { Client } from "./client.js";
import { createClient } from "./client.js";
import type { Output, Sink } from "./output.js";
import { createOutput } from "./output.js";
import type { Scope } from "./session.js";
import { tokenFor } from "./session.js";
import type { GlobalOptions, Settings } from "./settings.js";
import { readSettings } from "./settings.js";

/** The world of a command: all that it may read, write and wait for. */
export interface Surroundings {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly stdout: Sink;
  readonly stderr: Sink;
  /** Ends what would go on for ever. */
  readonly signal: AbortSignal;
}

/** What a command works with. */
export interface Work {
  readonly settings: Settings;
  readonly out: Output;
  readonly signal: AbortSignal;
  /** The platform, spoken to for a tenant's data or for the platform itself. `tenant`: as the command names it. */
  readonly connect: (scope: Scope, tenant?: string) => Client;
}

/** Begins the work of a command, whose options stand on the program above it. */
export type Begin = (command: Command) => Work;

export function beginWith({ environment, stdout, stderr, signal }: Surroundings): Begin {
  return (command) => {
    const options = command.optsWithGlobals<GlobalOptions>();
    const settings = readSettings(options, environment);
    return {
      settings,
      out: createOutput(stdout, stderr, options.json === true),
      signal,
      connect: (scope, tenant) => createClient(settings.url, () => tokenFor(settings, scope, tenant)),
    };
  };
}
