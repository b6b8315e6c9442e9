/**
 * The servers that do not come from npm: found where they are, installed where we may, named where we may not.
 */
import { spawnSync } from "node:child_process";
import { FleetlogError } from "../../platform/errors.js";
import type { Logger } from "../../platform/logger.js";
import { aptInstall, canUseApt } from "./apt.js";

/** The package of each program in Debian and Ubuntu, and a container that serves instead of it. */
const programs = {
  "nats-server": {
    aptPackage: "nats-server",
    instead: "docker run -d -p 4222:4222 nats:2.12 -js, and set NATS_URL=nats://127.0.0.1:4222",
  },
  influxd: {
    aptPackage: "influxdb",
    instead: "docker run -d -p 8086:8086 influxdb:1.8, and set INFLUX_URL=http://127.0.0.1:8086",
  },
} as const;

export type Program = keyof typeof programs;

/** Told of each step that a person has to wait for: one short sentence. */
export type OnProgress = (step: string) => void;

export interface FindOrInstallOptions {
  readonly logger: Logger;
  readonly onProgress?: OnProgress | undefined;
}

/**
 * The path of the program: from the PATH or the system's usual folders, else installed with apt (Debian, Ubuntu, as root).
 * Throws FleetlogError UNAVAILABLE, naming the command that gets it, when it is neither there nor to be had.
 */
export async function findOrInstall(program: Program, { logger, onProgress }: FindOrInstallOptions): Promise<string> {
  const found = find(program);
  if (found !== undefined) return found;
  const { aptPackage, instead } = programs[program];
  const byHand = `install it with: sudo apt-get install -y ${aptPackage}; or run: ${instead}`;
  if (!canUseApt())
    throw new FleetlogError("UNAVAILABLE", `${program} is not on this machine: ${byHand}.`, { program });

  onProgress?.(`installing ${aptPackage} with apt-get`);
  const installed = await aptInstall(aptPackage, { logger, alreadyThere: () => find(program) !== undefined });
  const path = find(program);
  if (path !== undefined) return path;
  const reason = installed.ok ? "apt-get put it nowhere that we look" : `apt-get failed (${installed.reason})`;
  throw new FleetlogError("UNAVAILABLE", `${program} could not be installed, ${reason}: ${byHand}.`, { program });
}

/** The folders of an ordinary user's PATH leave out sbin, where Debian puts nats-server. */
function find(program: Program): string | undefined {
  const script = 'PATH="$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"; command -v "$1"';
  const { status, stdout } = spawnSync("sh", ["-c", script, "sh", program], { encoding: "utf8" });
  const path = stdout.trim();
  return status === 0 && path.startsWith("/") ? path : undefined;
}
