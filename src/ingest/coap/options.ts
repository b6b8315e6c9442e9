/** The options that are understood here (RFC 7252, section 5.10; RFC 7641; RFC 7959) and their values. */
import type { Message, Option } from "./message.js";

export const options = {
  uriHost: 3,
  etag: 4,
  observe: 6,
  uriPort: 7,
  uriPath: 11,
  contentFormat: 12,
  maxAge: 14,
  uriQuery: 15,
  accept: 17,
  block2: 23,
  block1: 27,
  size2: 28,
  proxyUri: 35,
  proxyScheme: 39,
  size1: 60,
} as const;

/** How long the value may be, bytes; what is longer counts as an option that is not understood (section 5.4.3). */
const longest: Readonly<Record<number, number>> = {
  [options.uriHost]: 255,
  [options.etag]: 8,
  [options.observe]: 3,
  [options.uriPort]: 2,
  [options.uriPath]: 255,
  [options.contentFormat]: 2,
  [options.maxAge]: 4,
  [options.uriQuery]: 255,
  [options.accept]: 2,
  [options.block2]: 3,
  [options.block1]: 3,
  [options.size2]: 4,
  [options.proxyUri]: 1034,
  [options.proxyScheme]: 255,
  [options.size1]: 4,
};
const repeatable: ReadonlySet<number> = new Set([options.etag, options.uriPath, options.uriQuery]);

export function values(message: Message, number: number): readonly Buffer[] {
  return message.options.filter((option) => option.number === number).map(({ value }) => value);
}

export function value(message: Message, number: number): Buffer | undefined {
  return message.options.find((option) => option.number === number)?.value;
}

export function uint(message: Message, number: number): number | undefined {
  const found = value(message, number);
  return found === undefined ? undefined : toUint(found);
}

export function toUint(bytes: Buffer): number {
  return bytes.length === 0 ? 0 : bytes.readUIntBE(0, Math.min(bytes.length, 6));
}

export function uintOption(number: number, given: number): Option {
  const bytes: number[] = [];
  for (let left = given; left > 0; left = Math.floor(left / 256)) bytes.unshift(left % 256);
  return { number, value: Buffer.from(bytes) };
}

/** The number of a critical option that must not be passed over and is not understood: 4.02. */
export function badOption(message: Message): number | undefined {
  const seen = new Set<number>();
  for (const { number, value: bytes } of message.options) {
    const bound = longest[number];
    const understood = bound !== undefined && bytes.length <= bound && (repeatable.has(number) || !seen.has(number));
    seen.add(number);
    if (!understood && number % 2 === 1) return number;
  }
  return undefined;
}

export interface Block {
  readonly num: number;
  readonly more: boolean;
  /** Bytes: 16 to 1,024. */
  readonly size: number;
}

/** `"malformed"`: a size that is reserved. */
export function block(message: Message, number: number): Block | "malformed" | undefined {
  const packed = uint(message, number);
  if (packed === undefined) return undefined;
  const exponent = packed & 7;
  if (exponent === 7) return "malformed";
  return { num: packed >> 4, more: (packed & 8) !== 0, size: 16 << exponent };
}

export function blockOption(number: number, { num, more, size }: Block): Option {
  return uintOption(number, (num << 4) | (more ? 8 : 0) | (Math.log2(size) - 4));
}
