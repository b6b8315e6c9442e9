/** The configuration that a device should have, as CoAP gives it: whole, or a block at a time (RFC 7959, section 2.4). */
import type { DeviceAccess } from "../registry/device-access.js";
import type { Option } from "./message.js";
import { blockOption, options, uintOption } from "./options.js";
import type { Block } from "./options.js";

export interface Representation {
  readonly payload: Buffer;
  /** The same for the same content. */
  readonly etag: Buffer;
}

export const JSON_FORMAT = 50;
/** Seconds after which an observer that has heard nothing asks anew (RFC 7641, section 3.3.1): how long our restart can go unnoticed. */
export const MAX_AGE = 900;
const FIRST_BLOCK: Block = { num: 0, more: false, size: 1_024 };

/** Empty as long as there is no configuration. */
export function desiredConfiguration({ configuration }: DeviceAccess): Representation {
  const { version, config } = configuration;
  const payload = version === 0 ? Buffer.alloc(0) : Buffer.from(JSON.stringify({ version, config }));
  // The version is enough of a tag: the same version of a device's configuration never has another content.
  const etag = Buffer.alloc(4);
  etag.writeUInt32BE(version >>> 0);
  return { payload, etag };
}

/** Undefined: there is no such block. */
export function inBlocks(
  { payload, etag }: Representation,
  asked: Block | undefined,
): { readonly payload: Buffer; readonly options: readonly Option[] } | undefined {
  const about = [
    { number: options.etag, value: etag },
    uintOption(options.maxAge, MAX_AGE),
    ...(payload.length === 0 ? [] : [uintOption(options.contentFormat, JSON_FORMAT)]),
  ];
  const { num, size } = asked ?? FIRST_BLOCK;
  const from = num * size;
  if (num > 0 && from >= payload.length) return undefined;
  if (asked === undefined && payload.length <= size) return { payload, options: about };
  const more = from + size < payload.length;
  return {
    payload: payload.subarray(from, from + size),
    options: [
      ...about,
      blockOption(options.block2, { num, more, size }),
      ...(num === 0 ? [uintOption(options.size2, payload.length)] : []),
    ],
  };
}
