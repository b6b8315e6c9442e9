/** Proof that whoever says hello receives what is sent to its address (RFC 6347, section 4.2.1), without keeping anything for it. */
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { ClientHello } from "./handshake.js";

const ROTATE_MS = 60_000;

export interface Cookies {
  for(address: string, hello: ClientHello): Buffer;
  /** Of this address and this hello, and not older than one to two minutes. */
  isGood(address: string, hello: ClientHello): boolean;
}

function made(key: Buffer, address: string, hello: ClientHello): Buffer {
  // The address's length first: none can be another with some of the hello behind it.
  const head = Buffer.from(`${address.length} ${address} `);
  return createHmac("sha256", key).update(head).update(hello.withoutCookie).digest();
}

export function createCookies(now: () => number = Date.now): Cookies {
  let secret = randomBytes(32);
  let before = secret;
  let since = now();

  function rotate(): void {
    if (now() - since < ROTATE_MS) return;
    before = secret;
    secret = randomBytes(32);
    since = now();
  }

  return {
    for(address, hello) {
      rotate();
      return made(secret, address, hello);
    },
    isGood(address, hello) {
      rotate();
      const { cookie } = hello;
      if (cookie.length !== 32) return false;
      return [secret, before].some((key) => timingSafeEqual(made(key, address, hello), cookie));
    },
  };
}
