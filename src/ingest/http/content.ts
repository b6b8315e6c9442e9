/** What the head of a request says of its body: which codec, how it is packed, how large it may be. */
import { promisify } from "node:util";
import { brotliDecompress, gunzip, inflate, inflateRaw } from "node:zlib";
import { FleetlogError } from "../../platform/errors.js";
import { Limiter } from "../../platform/limiter.js";
import { formatOfContentType, knownContentTypes } from "../codecs/format.js";
import type { Format } from "../codecs/format.js";

/** JSON lines, under the names that are in use for them. */
export const LINES_TYPES: string[] = [
  "application/x-ndjson",
  "application/ndjson",
  "application/jsonl",
  "application/x-jsonlines",
];

export interface ContentKind {
  readonly isBatch: boolean;
  readonly format?: Format;
}

/** Throws FleetlogError UNSUPPORTED_FORMAT. */
export function kindOf(contentType: string | undefined): ContentKind {
  if (isLines(contentType)) return { isBatch: true, format: "json" };
  const format = formatOfContentType(contentType);
  if (format === undefined) return { isBatch: false };
  if (format !== "unsupported") return { isBatch: false, format };
  throw new FleetlogError(
    "UNSUPPORTED_FORMAT",
    `no codec reads the content type ${JSON.stringify(contentType?.slice(0, 100))}: send ${LINES_TYPES[0]}, ${knownContentTypes.join(", ")}`,
  );
}

export function isLines(contentType: string | undefined): boolean {
  const [type = ""] = (contentType ?? "").toLowerCase().split(";", 1);
  return LINES_TYPES.includes(type.trim());
}

/** Bodies that are unpacked at one time, each into at most its bound; more wait, and beyond that are refused. */
const unpacking = new Limiter(4, 256);

const unpackers = {
  gzip: promisify(gunzip),
  "x-gzip": promisify(gunzip),
  br: promisify(brotliDecompress),
  // RFC 9110 means zlib's form; some senders leave its two bytes of head away.
  deflate: (body: Buffer, options: { readonly maxOutputLength: number }) =>
    promisify(((body[0] ?? 0) & 0x0f) === 8 && body.readUInt16BE(0) % 31 === 0 ? inflate : inflateRaw)(body, options),
} as const;

type Encoding = keyof typeof unpackers;

/**
 * The body as it was before its Content-Encoding. Throws FleetlogError UNSUPPORTED_FORMAT for an encoding that is not
 * offered, PAYLOAD_TOO_LARGE as soon as more than `maxBytes` come out, MALFORMED_PAYLOAD for what cannot be unpacked.
 */
export async function unpack(body: Buffer, encoding: string | undefined, maxBytes: number): Promise<Buffer> {
  const name = (encoding ?? "identity").trim().toLowerCase();
  if (name === "identity" || name === "") return body;
  if (!Object.hasOwn(unpackers, name)) {
    throw new FleetlogError(
      "UNSUPPORTED_FORMAT",
      `the content encoding ${JSON.stringify(name.slice(0, 100))} is not offered: use gzip, deflate or br, or none`,
    );
  }
  if (body.length < 2) throw new FleetlogError("MALFORMED_PAYLOAD", `the body is too short to be ${name}`);
  return unpacking.run(async () => {
    try {
      return await unpackers[name as Encoding](body, { maxOutputLength: maxBytes });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE") throw tooLarge(maxBytes, "unpacked, ");
      throw new FleetlogError("MALFORMED_PAYLOAD", `the body is not ${name}: it cannot be unpacked`);
    }
  });
}

export function tooLarge(maxBytes: number, when = ""): FleetlogError {
  return new FleetlogError(
    "PAYLOAD_TOO_LARGE",
    `${when}a body of this kind has at most ${maxBytes} bytes: send several`,
  );
}
