/** DTLS 1.2's record layer (RFC 6347, section 4.1), without what protects it. */

export const contentTypes = { changeCipherSpec: 20, alert: 21, handshake: 22, applicationData: 23 } as const;

export const DTLS_1_0 = 0xfeff;
export const DTLS_1_2 = 0xfefd;
export const HEADER_BYTES = 13;

export interface DtlsRecord {
  readonly type: number;
  readonly epoch: number;
  /** 48 bits. */
  readonly sequence: number;
  readonly fragment: Buffer;
}

/** What can be read as records; the rest of a datagram that breaks the form is silence, as section 4.1.2.7 wants it. */
export function recordsOf(datagram: Buffer): readonly DtlsRecord[] {
  const found: DtlsRecord[] = [];
  for (let at = 0; at + HEADER_BYTES <= datagram.length;) {
    const end = at + HEADER_BYTES + datagram.readUInt16BE(at + 11);
    const version = datagram.readUInt16BE(at + 1);
    if (end > datagram.length || (version !== DTLS_1_2 && version !== DTLS_1_0)) break;
    found.push({
      type: datagram.readUInt8(at),
      epoch: datagram.readUInt16BE(at + 3),
      sequence: datagram.readUIntBE(at + 5, 6),
      fragment: datagram.subarray(at + HEADER_BYTES, end),
    });
    at = end;
  }
  return found;
}

export function recordBytes({ type, epoch, sequence, fragment }: DtlsRecord, version = DTLS_1_2): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES + fragment.length);
  bytes.writeUInt8(type, 0);
  bytes.writeUInt16BE(version, 1);
  bytes.writeUInt16BE(epoch, 3);
  bytes.writeUIntBE(sequence, 5, 6);
  bytes.writeUInt16BE(fragment.length, 11);
  fragment.copy(bytes, HEADER_BYTES);
  return bytes;
}

/** Packs records into as few datagrams as fit below what every path carries whole (IPv6's 1,280 bytes and their heads). */
export function datagramsOf(records: readonly Buffer[], maxBytes = 1_200): readonly Buffer[] {
  const datagrams: Buffer[] = [];
  let parts: Buffer[] = [];
  let bytes = 0;
  for (const one of records) {
    if (bytes > 0 && bytes + one.length > maxBytes) {
      datagrams.push(Buffer.concat(parts));
      parts = [];
      bytes = 0;
    }
    parts.push(one);
    bytes += one.length;
  }
  if (bytes > 0) datagrams.push(Buffer.concat(parts));
  return datagrams;
}
