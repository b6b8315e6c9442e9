import { createHash, randomBytes } from "node:crypto";

/**
 * A key of 256 random bits, `flk_…`, and its SHA-256 in hex, which alone is kept. Keys are not passwords: nobody
 * chooses them, so there is nothing to guess and a slow hash would only slow log-ins down. A log-in is held against it in
 * ingest/registry/device-access.ts.
 */
export function newApiKey(): { readonly key: string; readonly hash: string } {
  const key = `flk_${randomBytes(32).toString("base64url")}`;
  return { key, hash: createHash("sha256").update(key).digest("hex") };
}
