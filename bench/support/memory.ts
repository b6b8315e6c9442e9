/** The most memory that processes had resident, sampled from /proc. */
import { readFileSync } from "node:fs";

const EVERY_MS = 250;
const MIB = 1024;

export interface MemoryWatch {
  /** Ends the watch; MiB by process. */
  stop(): Readonly<Record<string, number>>;
}

/** `pids` is asked each time: a process that is started again is another. */
export function watchMemory(pids: () => ReadonlyMap<string, number>): MemoryWatch {
  const most = new Map<string, number>();
  const look = (): void => {
    for (const [name, pid] of pids()) most.set(name, Math.max(most.get(name) ?? 0, residentMib(pid)));
  };
  look();
  const timer = setInterval(look, EVERY_MS);
  return {
    stop() {
      clearInterval(timer);
      look();
      return Object.fromEntries(most);
    },
  };
}

/** 0 when it is gone, or there is no /proc. */
function residentMib(pid: number): number {
  try {
    const kib = /^VmRSS:\s+(\d+) kB$/mu.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    return Math.round(Number(kib ?? 0) / MIB);
  } catch {
    return 0;
  }
}
