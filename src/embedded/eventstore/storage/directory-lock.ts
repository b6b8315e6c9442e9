/**
 * One process a directory. Node.js has no file locks, so the owner writes down who it is: its process id and,
 * because ids are used again after a `kill -9` or a reboot, the moment at which the kernel started it.
 */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DirectoryInUseError } from "./errors.js";

/** Takes the directory. Returns what gives it back. Throws `DirectoryInUseError` while another living process has it. */
export function lockDirectory(path: string): () => void {
  const file = join(path, "owner");
  const claim = `${process.pid} ${startedAt(process.pid)}`;
  for (let tries = 0; ; tries += 1) {
    try {
      writeFileSync(file, claim, { flag: "wx" });
      return () => rmSync(file, { force: true });
    } catch (error) {
      if (!isExists(error) || tries > 2) throw error;
    }
    const [pid = "", started = ""] = readClaim(file).split(" ");
    if (isAlive(Number(pid), started)) throw new DirectoryInUseError(path, Number(pid));
    rmSync(file, { force: true });
  }
}

function readClaim(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return ""; // given back between our look and our try: the next try takes it
  }
}

function isAlive(pid: number, started: string): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: alive, and another user's.
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
  return startedAt(pid) === started;
}

/** Field 22 of /proc/PID/stat: start time in clock ticks since boot. Where there is no /proc the id alone must do. */
function startedAt(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The command name, in parentheses, may itself hold spaces and parentheses.
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "unknown";
  } catch {
    return "unknown";
  }
}

function isExists(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EEXIST";
}
