// Two runs in one clone must not install or build at the same time. The platform has the like of it in
// src/embedded/processes/pid-lock.ts, which is not compiled yet when this one is needed.
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { root } from "./paths.mjs";
import { say } from "./progress.mjs";

const path = join(root, "dist", ".launcher-lock");

/** Waits, for as long as it takes, until no living process has the lock; holds it during `work`. */
export async function locked(work) {
  const mine = JSON.stringify({ pid: process.pid, startedAt: startOf(process.pid), token: randomUUID() });
  mkdirSync(join(root, "dist"), { recursive: true });
  let told;
  while (!place(mine)) {
    const holder = read(path);
    if (holder !== undefined && alive(holder)) {
      if (told !== holder.pid) say(`process ${holder.pid} is preparing this clone; waiting for it …`);
      told = holder.pid;
      await sleep(200);
    } else {
      removeStale(holder);
    }
  }
  try {
    return await work();
  } finally {
    if (read(path)?.token === JSON.parse(mine).token) rmSync(path, { force: true });
  }
}

/** Whole or not at all, so that nobody reads half a lock. */
function place(content) {
  const draft = `${path}.${randomUUID()}`;
  writeFileSync(draft, content);
  try {
    linkSync(draft, path);
    return true;
  } catch (error) {
    if (error.code === "EEXIST") return false;
    throw error;
  } finally {
    rmSync(draft, { force: true });
  }
}

/** Another waiter may have been quicker, and what we take away its fresh lock: then it is put back. */
function removeStale(stale) {
  const aside = `${path}.${randomUUID()}`;
  try {
    renameSync(path, aside);
  } catch {
    return; // gone already
  }
  const taken = read(aside);
  if (taken !== undefined && taken.token !== stale?.token && alive(taken)) place(JSON.stringify(taken));
  rmSync(aside, { force: true });
}

function read(file) {
  try {
    const { pid, startedAt, token } = JSON.parse(readFileSync(file, "utf8"));
    return { pid, startedAt, token };
  } catch {
    return undefined;
  }
}

function alive({ pid, startedAt }) {
  if (startedAt !== null) return startOf(pid) === startedAt;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}

/** Tells a process from a later one with the same pid; null where there is no /proc. */
function startOf(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" ? null : `${readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()}:${fields[19]}`;
  } catch {
    return null;
  }
}
