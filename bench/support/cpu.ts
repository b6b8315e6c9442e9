/** Processor time of processes, from /proc: what the machine itself accounts for. */
import { readFileSync } from "node:fs";

/** Of Linux on every architecture that Node runs on. */
const TICKS_PER_SECOND = 100;

/** User and system time of a process so far, seconds; 0 when it is gone, or there is no /proc. */
export function cpuSecondsOf(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name may hold spaces and parentheses: what counts stands after the last of them.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  } catch {
    return 0;
  }
}

/** Starts counting; the function gives the seconds since then, by process, those under 0.05 s left out. */
export function countCpu(pids: ReadonlyMap<string, number>): () => Readonly<Record<string, number>> {
  const before = new Map([...pids.values()].map((pid) => [pid, cpuSecondsOf(pid)]));
  return () => {
    const spent = [...pids].map(([name, pid]) => [name, cpuSecondsOf(pid) - (before.get(pid) ?? 0)] as const);
    return Object.fromEntries(spent.filter(([, s]) => s >= 0.05).map(([name, s]) => [name, Number(s.toFixed(2))]));
  };
}

/** By the parts that a message passes; everything else, which runs for the platform's own sake, in `others`. */
export function byPart(spent: Readonly<Record<string, number>>): Readonly<Record<string, number>> {
  const { gateway = 0, writer = 0, processor = 0, "nats-server": nats = 0, influxd: influx = 0, ...rest } = spent;
  return { gateway, writer, processor, nats, influx, others: total(rest) };
}

export function total(spent: Readonly<Record<string, number>>): number {
  return Number(
    Object.values(spent)
      .reduce((sum, s) => sum + s, 0)
      .toFixed(2),
  );
}
