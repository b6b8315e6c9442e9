/**
 * How Go's garbage collector is told to take its time. Both nats-server and influxd make much short-lived garbage beside a
 * small heap: with Go's default they spend a third of their processor time on collecting it. Here the heap may grow to five
 * times what is alive before it is collected, but never because of that beyond `memoryLimit`, where the collector works as
 * hard as it must. An operator's own GOGC and GOMEMLIMIT hold.
 */
export function unhurried(
  memoryLimit: "256MiB" | "1GiB",
  command: string,
  args: readonly string[],
): { readonly command: string; readonly args: readonly string[] } {
  const script = `GOGC="\${GOGC:-400}" GOMEMLIMIT="\${GOMEMLIMIT:-${memoryLimit}}" exec "$@"`;
  return { command: "sh", args: ["-c", script, "sh", command, ...args] };
}
