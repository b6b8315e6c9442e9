/** The cipher suites that are offered, their keys, and what they make of a record (RFC 5246, 5288, 6655, 7251). All are AEAD with SHA-256. */
import { createCipheriv, createDecipheriv, createHmac } from "node:crypto";
import { ownCopy } from "../own-copy.js";

export interface Suite {
  readonly id: number;
  readonly algorithm: "aes-128-gcm" | "aes-128-ccm";
  readonly tagBytes: 8 | 16;
  /** Of the server's certificate. */
  readonly signedBy: "ec" | "rsa";
}

/** The one preferred first; AES_128_CCM_8 is what RFC 7252 obliges devices to have. */
export const suites: readonly Suite[] = [
  { id: 0xc02b, algorithm: "aes-128-gcm", tagBytes: 16, signedBy: "ec" },
  { id: 0xc0ac, algorithm: "aes-128-ccm", tagBytes: 16, signedBy: "ec" },
  { id: 0xc0ae, algorithm: "aes-128-ccm", tagBytes: 8, signedBy: "ec" },
  { id: 0xc02f, algorithm: "aes-128-gcm", tagBytes: 16, signedBy: "rsa" },
];

const KEY_BYTES = 16;
const SALT_BYTES = 4;
const EXPLICIT_BYTES = 8;

/** RFC 5246, section 5: P_SHA256. */
export function prf(secret: Buffer, label: string, seed: Buffer, length: number): Buffer {
  const labelled = Buffer.concat([Buffer.from(label, "ascii"), seed]);
  const hmac = (data: Buffer): Buffer => createHmac("sha256", secret).update(data).digest();
  const parts: Buffer[] = [];
  let a = hmac(labelled);
  for (let bytes = 0; bytes < length; bytes += 32) {
    parts.push(hmac(Buffer.concat([a, labelled])));
    a = hmac(a);
  }
  return Buffer.concat(parts).subarray(0, length);
}

export interface Direction {
  readonly key: Buffer;
  readonly salt: Buffer;
}

export interface Keys {
  readonly client: Direction;
  readonly server: Direction;
}

export function keysOf(masterSecret: Buffer, clientRandom: Buffer, serverRandom: Buffer): Keys {
  const seed = Buffer.concat([serverRandom, clientRandom]);
  const block = ownCopy(prf(masterSecret, "key expansion", seed, 2 * (KEY_BYTES + SALT_BYTES)));
  const salts = 2 * KEY_BYTES;
  return {
    client: { key: block.subarray(0, KEY_BYTES), salt: block.subarray(salts, salts + SALT_BYTES) },
    server: { key: block.subarray(KEY_BYTES, salts), salt: block.subarray(salts + SALT_BYTES) },
  };
}

export interface RecordHead {
  readonly type: number;
  readonly epoch: number;
  readonly sequence: number;
}

export function seal(suite: Suite, { key, salt }: Direction, head: RecordHead, plaintext: Buffer): Buffer {
  const explicit = positionOf(head);
  const options = { authTagLength: suite.tagBytes };
  const nonce = Buffer.concat([salt, explicit]);
  // Written out for each mode, because their types differ by the literal.
  const cipher =
    suite.algorithm === "aes-128-gcm"
      ? createCipheriv("aes-128-gcm", key, nonce, options)
      : createCipheriv("aes-128-ccm", key, nonce, options);
  cipher.setAAD(additionalData(head, plaintext.length), { plaintextLength: plaintext.length });
  const body = cipher.update(plaintext);
  return Buffer.concat([explicit, body, cipher.final(), cipher.getAuthTag()]);
}

/** Undefined: it is not genuine. */
export function open(suite: Suite, { key, salt }: Direction, head: RecordHead, sealed: Buffer): Buffer | undefined {
  const length = sealed.length - EXPLICIT_BYTES - suite.tagBytes;
  if (length < 0) return undefined;
  const nonce = Buffer.concat([salt, sealed.subarray(0, EXPLICIT_BYTES)]);
  const options = { authTagLength: suite.tagBytes };
  try {
    const decipher =
      suite.algorithm === "aes-128-gcm"
        ? createDecipheriv("aes-128-gcm", key, nonce, options)
        : createDecipheriv("aes-128-ccm", key, nonce, options);
    decipher.setAuthTag(sealed.subarray(EXPLICIT_BYTES + length));
    decipher.setAAD(additionalData(head, length), { plaintextLength: length });
    const plaintext = decipher.update(sealed.subarray(EXPLICIT_BYTES, EXPLICIT_BYTES + length));
    return Buffer.concat([plaintext, decipher.final()]);
  } catch {
    // The library's only way to say that the tag is another.
    return undefined;
  }
}

/** Epoch and sequence number: the explicit part of the nonce, never the same twice under one key. */
function positionOf({ epoch, sequence }: RecordHead): Buffer {
  const bytes = Buffer.alloc(EXPLICIT_BYTES);
  bytes.writeUInt16BE(epoch, 0);
  bytes.writeUIntBE(sequence, 2, 6);
  return bytes;
}

function additionalData(head: RecordHead, length: number): Buffer {
  return Buffer.concat([positionOf(head), Buffer.from([head.type, 0xfe, 0xfd, length >> 8, length & 0xff])]);
}
