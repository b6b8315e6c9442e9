import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { newId } from "./platform/ids.js";

/** Small things that a deployment keeps for itself, made at first need; readable by their owner only. */

/** The secret that signs API tokens where none is configured. */
export function tokenSecretOf(dataDir: string): string {
  return kept(dataDir, "token-secret", () => randomBytes(48).toString("base64url"));
}

/** The same for whoever must not make one: undefined where this is no data directory of ours. Throws when it may not be read. */
export function existingTokenSecret(dataDir: string): string | undefined {
  try {
    return readFileSync(join(dataDir, "token-secret"), "utf8").trim();
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
  }
}

/** Where a running platform of this data directory is reached; ports that were taken have moved. */
export interface Addresses {
  readonly httpUrl: string | undefined;
  readonly httpsUrl?: string | undefined;
  readonly mqttUrl: string | undefined;
  readonly mqttsUrl?: string | undefined;
  readonly coapUrl?: string | undefined;
  readonly coapsUrl?: string | undefined;
  readonly natsUrl: string;
}

const ADDRESSES = "addresses.json";

export function writeAddresses(dataDir: string, addresses: Addresses): void {
  writeFileSync(join(dataDir, ADDRESSES), `${JSON.stringify(addresses, undefined, 2)}\n`);
}

export function removeAddresses(dataDir: string): void {
  rmSync(join(dataDir, ADDRESSES), { force: true });
}

/** Undefined where no platform has said so. One that was killed leaves its last word behind. */
export function readAddresses(dataDir: string): Addresses | undefined {
  const path = join(dataDir, ADDRESSES);
  return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as Addresses) : undefined;
}

/** Who this deployment is to leases: the same after a restart, another on every other data directory. */
export function nodeIdOf(dataDir: string): string {
  return kept(dataDir, "node-id", newId);
}

function kept(dataDir: string, name: string, make: () => string): string {
  mkdirSync(dataDir, { recursive: true });
  const path = join(dataDir, name);
  try {
    // Exclusive: of two processes that start together, one writes and both read.
    writeFileSync(path, make(), { mode: 0o600, flag: "wx" });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
  return readFileSync(path, "utf8").trim();
}
