/** Payloads that come in blocks (RFC 7959, section 2.5), put together in memory within bounds, and forgotten when the rest does not come. */
import type { Block } from "./options.js";
import { ownCopy } from "./own-copy.js";

export type Assembled =
  | { readonly kind: "continue" }
  | { readonly kind: "whole"; readonly payload: Buffer }
  /** A block is missing before this one: from the start again. */
  | { readonly kind: "incomplete" }
  | { readonly kind: "malformed" }
  | { readonly kind: "too-large" }
  /** Too many others are being put together. */
  | { readonly kind: "full" };

export interface Assemblies {
  /** `key` names the sender and what it sends to. */
  take(key: string, block: Block, payload: Buffer): Assembled;
  readonly bytes: number;
}

export interface AssembliesOptions {
  readonly maxPayloadBytes: number;
  /** Of all together. */
  readonly maxBytes?: number;
  /** From one block to the next. */
  readonly patienceMs?: number;
  readonly now?: () => number;
}

interface Unfinished {
  readonly parts: Buffer[];
  bytes: number;
  /** When the last block came. */
  at: number;
}

const MAX_TOGETHER = 64 * 1024 * 1024;
const PATIENCE_MS = 90_000;

export function createAssemblies(given: AssembliesOptions): Assemblies {
  const { maxPayloadBytes, maxBytes = MAX_TOGETHER, patienceMs = PATIENCE_MS, now = Date.now } = given;
  /** The one that has waited longest first. */
  const unfinished = new Map<string, Unfinished>();
  let bytes = 0;

  function drop(key: string): void {
    bytes -= unfinished.get(key)?.bytes ?? 0;
    unfinished.delete(key);
  }

  function dropImpatient(): void {
    const oldest = now() - patienceMs;
    for (const [key, { at }] of unfinished) {
      if (at >= oldest) return;
      drop(key);
    }
  }

  return {
    get bytes() {
      return bytes;
    },
    take(key, { num, more, size }, payload) {
      dropImpatient();
      if (more && payload.length !== size) return { kind: "malformed" };
      if (num === 0) drop(key);
      const held = unfinished.get(key) ?? { parts: [], bytes: 0, at: 0 };
      // Sizes may change on the way, to smaller ones: what counts is the place in bytes.
      if (num * size !== held.bytes) return { kind: "incomplete" };
      if (held.bytes + payload.length > maxPayloadBytes) {
        drop(key);
        return { kind: "too-large" };
      }
      if (!more) {
        drop(key);
        return { kind: "whole", payload: Buffer.concat([...held.parts, payload]) };
      }
      if (bytes + payload.length > maxBytes) return { kind: "full" };
      held.parts.push(ownCopy(payload));
      held.bytes += payload.length;
      held.at = now();
      bytes += payload.length;
      unfinished.delete(key);
      unfinished.set(key, held);
      return { kind: "continue" };
    },
  };
}
