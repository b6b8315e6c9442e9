/** What InfluxDB is sent: the lines of many frames, whole. */
import type { FrameView } from "../frames/frame.js";
import { seriesOf } from "./line-protocol.js";

/** Kept from one body to the next: a few megabytes for each of which the system would have to find fresh pages. */
let memory = Buffer.alloc(0);
/** Beyond it, memory is not kept. A batch has half of it at most, without its series. */
const KEPT_BYTES = 16 * 1024 ** 2;

/** Each line ended by a line feed. */
export function bodyOf(frames: readonly FrameView[]): string {
  let into = memory;
  let at = 0;
  for (const frame of frames) {
    for (const group of frame.groups()) {
      const series = `${seriesOf(group)} `;
      // Three bytes for each UTF-16 unit are the most that UTF-8 needs.
      const needed = at + series.length * 3 * group.count + group.to - group.from;
      if (needed > into.length) into = grown(into, at, needed);
      const seriesFrom = at;
      let seriesTo = at;
      let { from } = group;
      for (let line = group.first; line < group.first + group.count; line += 1) {
        if (seriesTo === seriesFrom) {
          seriesTo += into.write(series, at);
          at = seriesTo;
        } else {
          into.copyWithin(at, seriesFrom, seriesTo);
          at += seriesTo - seriesFrom;
        }
        const to = from + frame.lengthOf(line);
        at += frame.bytes.copy(into, at, from, to);
        from = to;
      }
    }
  }
  memory = into.length > KEPT_BYTES ? Buffer.alloc(0) : into;
  return into.toString("utf8", 0, at);
}

function grown(buffer: Buffer, used: number, needed: number): Buffer<ArrayBuffer> {
  const larger = Buffer.allocUnsafeSlow(Math.max(buffer.length * 2, needed));
  buffer.copy(larger, 0, 0, used);
  return larger;
}
