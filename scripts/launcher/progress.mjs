// One line on standard error for every step that a person may have to wait for; standard output belongs to results.

/** Something that went wrong in a way we foresaw: its message is all that the person needs. */
export class LaunchError extends Error {
  constructor(message, exitCode = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}

export function say(line) {
  process.stderr.write(`fleetlog: ${line}\n`);
}

export function took(sinceMs) {
  const ms = performance.now() - sinceMs;
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

/** Says what begins, does it, says how long it took. A failure is left to whoever catches it. */
export async function step(what, work) {
  const since = performance.now();
  say(`${what} …`);
  const outcome = await work();
  say(`${what}: done in ${took(since)}`);
  return outcome;
}
