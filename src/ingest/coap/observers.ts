/**
 * Who watches its desired configuration (RFC 7641): told of each change until it no longer acknowledges. Only the newest
 * state is ever sent: what changes while a notification is on its way follows it, once. Nothing is kept across a restart;
 * an observer asks anew after Max-Age.
 */
import type { Running } from "../../platform/lifecycle.js";
import type { Logger } from "../../platform/logger.js";
import type { DeviceAccess } from "../registry/device-access.js";
import { stillOpens } from "../registry/key-login.js";
import type { Caller } from "../registry/key-login.js";
import type { Registry } from "../registry/registry.js";
import type { Endpoint, Peer } from "./endpoint.js";
import { codeOf } from "./message.js";
import { options, uintOption } from "./options.js";
import { ownCopy } from "./own-copy.js";
import type { Block } from "./options.js";
import { desiredConfiguration, inBlocks, MAX_AGE } from "./representation.js";

export interface Observers extends Running {
  /** The Observe value of the answer; undefined where there is no place for one more: then it is a plain GET. */
  add(peer: Peer, token: Buffer, caller: Caller, block: Block | undefined): number | undefined;
  remove(peer: Peer, token: Buffer): void;
  forget(peer: Peer): void;
  readonly size: number;
}

export interface ObserversDeps {
  readonly registry: Registry;
  readonly endpoint: Endpoint;
  readonly logger: Logger;
  /** Has acknowledged a notification. */
  readonly heard: (access: DeviceAccess) => void;
}

interface Observer {
  readonly key: string;
  readonly peer: Peer;
  readonly token: Buffer;
  readonly credentialId: string;
  readonly block: Block | undefined;
  access: DeviceAccess;
  sequence: number;
  /** Of the configuration that it was told last. */
  version: number;
  toldAt: number;
  isOnTheWay: boolean;
}

/** More than one because a device that restarts, or changes its address, registers anew while we still hold the old one. */
const MAX_PER_DEVICE = 4;
const MAX_OBSERVERS = 100_000;
const SWEEP_MS = 10_000;
/** Before Max-Age is over each is told again: who is gone is found out. */
const TELL_AGAIN_MS = (MAX_AGE - 100) * 1_000;
const UNAUTHORIZED = codeOf("4.01");
const CONTENT = codeOf("2.05");

export function createObservers({ registry, endpoint, logger, heard }: ObserversDeps): Observers {
  const observers = new Map<string, Observer>();
  const byDevice = new Map<string, Set<Observer>>();
  const byPeer = new Map<string, Set<Observer>>();
  const unsubscribe = registry.onChange((access) => {
    for (const observer of byDevice.get(deviceOf(access)) ?? []) refresh(observer, access);
  });
  const sweeper = setInterval(sweep, SWEEP_MS);
  sweeper.unref();

  function refresh(observer: Observer, access: DeviceAccess): void {
    observer.access = access;
    if (!observer.isOnTheWay) tell(observer, false);
  }

  function tell(observer: Observer, again: boolean): void {
    const { access, credentialId, peer, token } = observer;
    if (!stillOpens(registry, access, credentialId, Date.now())) {
      // An error ends the observation on both sides (section 4.2).
      drop(observer);
      endpoint.deliver(peer, { code: UNAUTHORIZED, token, options: [], payload: Buffer.alloc(0) }, () => {});
      return;
    }
    const { version } = access.configuration;
    if (!again && version === observer.version) return;
    const first = inBlocks(desiredConfiguration(access), observer.block);
    if (first === undefined) return;
    const sequence = (observer.sequence + 1) & 0xffffff;
    const message = {
      code: CONTENT,
      token,
      options: [...first.options, uintOption(options.observe, sequence)],
      payload: first.payload,
    };
    const isSent = endpoint.deliver(peer, message, (outcome) => {
      observer.isOnTheWay = false;
      if (observers.get(observer.key) !== observer) return;
      if (outcome === "acknowledged") {
        heard(observer.access);
        tell(observer, false);
        return;
      }
      const { tenantId, deviceId } = observer.access;
      logger.debug({ tenantId, deviceId, outcome }, "a CoAP observer is gone");
      drop(observer);
    });
    // With too much on its way already the next sweep tries again.
    if (!isSent) return;
    observer.sequence = sequence;
    observer.version = version;
    observer.toldAt = Date.now();
    observer.isOnTheWay = true;
  }

  /** Makes good what a notification between our processes has missed, credentials that have expired, and silent ends. */
  function sweep(): void {
    const stale = Date.now() - TELL_AGAIN_MS;
    for (const observer of observers.values()) {
      if (observer.isOnTheWay) continue;
      const { tenantId, deviceId } = observer.access;
      observer.access = registry.peek(tenantId, deviceId) ?? observer.access;
      tell(observer, observer.toldAt < stale);
    }
  }

  function drop(observer: Observer): void {
    if (observers.get(observer.key) === observer) observers.delete(observer.key);
    leave(byDevice, deviceOf(observer.access), observer);
    leave(byPeer, observer.peer.id, observer);
  }

  return {
    get size() {
      return observers.size;
    },
    add(peer, token, { access, credentialId }, block) {
      const key = keyOf(peer, token);
      const before = observers.get(key);
      if (before !== undefined) drop(before);
      const ofDevice = byDevice.get(deviceOf(access)) ?? new Set();
      const [oldest] = ofDevice;
      if (ofDevice.size >= MAX_PER_DEVICE && oldest !== undefined) drop(oldest);
      if (observers.size >= MAX_OBSERVERS) return undefined;
      const observer: Observer = {
        key,
        peer,
        token: ownCopy(token),
        credentialId,
        block: block === undefined ? undefined : { ...block, num: 0 },
        access,
        sequence: ((before?.sequence ?? 0) + 1) & 0xffffff,
        version: access.configuration.version,
        toldAt: Date.now(),
        isOnTheWay: false,
      };
      observers.set(key, observer);
      join(byDevice, deviceOf(access), observer);
      join(byPeer, peer.id, observer);
      return observer.sequence;
    },
    remove(peer, token) {
      const found = observers.get(keyOf(peer, token));
      if (found !== undefined) drop(found);
    },
    forget(peer) {
      for (const observer of byPeer.get(peer.id) ?? []) drop(observer);
    },
    stop() {
      clearInterval(sweeper);
      unsubscribe();
      return Promise.resolve();
    },
  };
}

function join(sets: Map<string, Set<Observer>>, key: string, observer: Observer): void {
  const set = sets.get(key) ?? new Set();
  sets.set(key, set.add(observer));
}

function leave(sets: Map<string, Set<Observer>>, key: string, observer: Observer): void {
  const set = sets.get(key);
  set?.delete(observer);
  if (set?.size === 0) sets.delete(key);
}

function keyOf(peer: Peer, token: Buffer): string {
  return `${peer.id} ${token.toString("hex")}`;
}

function deviceOf({ tenantId, deviceId }: DeviceAccess): string {
  return `${tenantId}/${deviceId}`;
}
