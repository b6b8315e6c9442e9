/**
 * The same bytes in memory of their own, for what is kept. Node cuts small buffers from shared pieces of 8 KiB, and what is
 * cut from a piece, or from a datagram, keeps all of it.
 */
export function ownCopy(bytes: Buffer): Buffer {
  const copy = Buffer.alloc(bytes.length);
  bytes.copy(copy);
  return copy;
}
