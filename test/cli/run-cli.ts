import type { Surroundings } from "../../src/cli/cli.js";
import { runCli } from "../../src/cli/run.js";

export interface Run {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command that is under way: what it has said so far, and how it ends. */
export interface Running {
  readonly stdout: () => string;
  readonly stderr: () => string;
  stop(): void;
  readonly ended: Promise<Run>;
}

export type Environment = Surroundings["environment"];

/** The whole command line, its words in memory. */
export function begin(args: readonly string[], environment: Environment): Running {
  const stopping = new AbortController();
  const said = { stdout: "", stderr: "" };
  const ended = runCli(args, {
    environment,
    stdout: { write: (text) => (said.stdout += text) },
    stderr: { write: (text) => (said.stderr += text) },
    signal: stopping.signal,
  }).then((code) => ({ code, ...said }));
  return { stdout: () => said.stdout, stderr: () => said.stderr, stop: () => stopping.abort(), ended };
}

export function run(args: readonly string[], environment: Environment): Promise<Run> {
  return begin(args, environment).ended;
}
