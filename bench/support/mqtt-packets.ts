/** The packets of the load, put together by hand. */

export function connectPacket(clientId: string, username: string, password: string): Buffer {
  const name = Buffer.from([0, 4, 0x4d, 0x51, 0x54, 0x54, 4, 0xc2, 0, 0]);
  const body = Buffer.concat([name, field(clientId), field(username), field(password)]);
  return Buffer.concat([Buffer.from([0x10, ...lengthOf(body.length)]), body]);
}

function field(text: string): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 0xff]), bytes]);
}

function lengthOf(length: number): readonly number[] {
  return length < 128 ? [length] : [(length & 0x7f) | 0x80, ...lengthOf(length >> 7)];
}

const ZERO = 0x30;
const TS_DIGITS = 13;

/**
 * A PUBLISH with QoS 1 of one device: `{"ts":…,"values":{"temperature":20.07,…}}`. Each of its packets has the same length,
 * and between two of them only digits and the packet identifier differ.
 */
export class PacketTemplate {
  readonly length: number;
  readonly #bytes: Buffer;
  readonly #idAt: number;
  readonly #tsAt: number;
  /** Where the four digits around each value's point stand. */
  readonly #valuesAt: readonly number[];
  readonly #zeroTs: number;

  constructor(topic: string, metrics: readonly string[], zeroTs: number) {
    const before = `{"ts":`;
    let payload = `${before}${"0".repeat(TS_DIGITS)},"values":{`;
    const valuesAt: number[] = [];
    for (const [index, metric] of metrics.entries()) {
      payload += `${index === 0 ? "" : ","}"${metric}":`;
      valuesAt.push(payload.length);
      payload += "00.00";
    }
    payload += "}}";
    const body = Buffer.concat([field(topic), Buffer.from([0, 0]), Buffer.from(payload)]);
    this.#bytes = Buffer.concat([Buffer.from([0x32, ...lengthOf(body.length)]), body]);
    this.length = this.#bytes.length;
    const payloadAt = this.length - payload.length;
    this.#idAt = payloadAt - 2;
    this.#tsAt = payloadAt + before.length;
    this.#valuesAt = valuesAt.map((at) => payloadAt + at);
    this.#zeroTs = zeroTs;
  }

  /** The `n`th packet, its timestamp `n` ms after the first one's; gives where it ends. */
  write(into: Buffer, at: number, n: number): number {
    into.set(this.#bytes, at);
    const id = (n % 65_535) + 1;
    into[at + this.#idAt] = id >> 8;
    into[at + this.#idAt + 1] = id & 0xff;
    const ts = this.#zeroTs + n;
    const seconds = Math.floor(ts / 1_000_000);
    digits(into, at + this.#tsAt, seconds, TS_DIGITS - 6);
    digits(into, at + this.#tsAt + TS_DIGITS - 6, ts - seconds * 1_000_000, 6);
    for (let index = 0; index < this.#valuesAt.length; index += 1) {
      const valueAt = at + (this.#valuesAt[index] ?? 0);
      // 20 and up, another one in each message.
      const hundredths = 2_000 + index * 100 + ((n * (index + 7)) % 1_000);
      digits(into, valueAt, (hundredths / 100) | 0, 2);
      digits(into, valueAt + 3, hundredths % 100, 2);
    }
    return at + this.length;
  }
}

/** A whole number below 2^31 in so many digits. */
function digits(into: Buffer, at: number, value: number, count: number): void {
  let rest = value;
  for (let index = at + count - 1; index >= at; index -= 1) {
    into[index] = ZERO + (rest % 10);
    rest = (rest / 10) | 0;
  }
}
