/** Requests that wait while the storage is saturated; and how many a device, and all of them, may have under way. */
import type { DeviceAccess } from "../registry/device-access.js";
import type { Ingest } from "../ingest.js";
import { refusal } from "../pipeline/refusal.js";
import type { Refusal } from "../pipeline/refusal.js";

/** Requests, with their bodies, that wait in memory; others are sent away at once. */
const MAX_WAITING = 256;
/** Of one device: who has its key may not take the places of all others. */
const MAX_PER_DEVICE = 32;
/** Of bodies that are announced or read and not yet dealt with, together. */
const MAX_BODY_BYTES = 256 * 1024 * 1024;

/** Answers true when the storage takes more, false when that takes longer than `maxWaitMs` or too many wait already. */
export function createRoom(ingest: Ingest, maxWaitMs: number): () => Promise<boolean> {
  const waiting = new Set<(room: boolean) => void>();
  let isAsking = false;
  return () => {
    if (!ingest.saturated) return Promise.resolve(true);
    if (waiting.size >= MAX_WAITING) return Promise.resolve(false);
    return new Promise((resolve) => {
      const answer = (room: boolean): void => {
        clearTimeout(timer);
        waiting.delete(answer);
        resolve(room);
      };
      const timer = setTimeout(() => answer(false), maxWaitMs);
      waiting.add(answer);
      // Asked for once for all who wait: those who gave up leave nothing behind.
      if (isAsking) return;
      isAsking = true;
      ingest.whenRoom(() => {
        isAsking = false;
        for (const one of waiting) one(true);
      });
    });
  };
}

export interface Places {
  /** A place for a request and its body, until `release` is called; or why there is none. */
  take(device: DeviceAccess, bytes: number): { readonly release: () => void } | Refusal;
}

export function createPlaces(): Places {
  const byDevice = new Map<string, number>();
  let bytesTaken = 0;
  return {
    take({ tenantId, deviceId }, bytes) {
      const key = `${tenantId}/${deviceId}`;
      const taken = byDevice.get(key) ?? 0;
      if (taken >= MAX_PER_DEVICE) {
        return refusal(
          "LIMIT_EXCEEDED",
          `a device has at most ${MAX_PER_DEVICE} requests under way: await their answers`,
        );
      }
      if (bytesTaken + bytes > MAX_BODY_BYTES) {
        return refusal("UNAVAILABLE", "too many bodies are being read at the moment: send it again later");
      }
      byDevice.set(key, taken + 1);
      bytesTaken += bytes;
      let isReleased = false;
      return {
        release() {
          if (isReleased) return;
          isReleased = true;
          bytesTaken -= bytes;
          const left = (byDevice.get(key) ?? 1) - 1;
          if (left > 0) byDevice.set(key, left);
          else byDevice.delete(key);
        },
      };
    },
  };
}
