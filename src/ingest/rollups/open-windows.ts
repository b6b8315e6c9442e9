/**
 * The minutes that are not over yet, summed up as the frames pass: to ask InfluxDB for every reading of every minute again
 * costs it several times what storing them did (6 µs a message of three metrics, against about 1 µs here).
 *
 * It is a short cut and never the truth. What it has is only used where it is sure to be what InfluxDB stores: every reading of
 * the minute passed by here, and each was newer than the one before of its device, so that none can be a repetition. Whatever
 * is otherwise — sent again, out of order, before this process began, too much to hold — is computed from InfluxDB.
 */
import type { FrameView } from "../frames/frame.js";
import { FieldCursor } from "../writer/line-fields.js";
import { metricOf } from "../writer/line-protocol.js";
import type { DeviceSpan } from "./compute.js";
import { levels } from "./levels.js";
import type { RollupPoint } from "./point.js";

const MINUTE = levels.MINUTE.ms;
/** Sums of a metric of a device in a minute: about 200 bytes each. Beyond, all are forgotten, and their minutes are asked of InfluxDB. */
const MAX_SUMS = 1_000_000;
/** Names of metrics shared between devices; beyond, sharing begins anew. */
const MAX_NAMES = 10_000;
const COLON = 0x3a;
const LETTER_N = 0x6e;
const ZERO = 0x30;

interface Sums {
  readonly field: string;
  readonly name: Buffer;
  count: number;
  sum: number;
  min: number;
  max: number;
}

interface DeviceWindow {
  last: number;
  /** The nanoseconds below the millisecond `last`, of the readings that share it. */
  below: number[];
  /** Not sure to be what is stored. */
  unsure: boolean;
  /** In the order in which they came first. */
  readonly sums: Sums[];
  readonly byField: Map<string, Sums>;
}

export interface ClosedWindow {
  readonly points: readonly RollupPoint[];
  /** Devices of which this is not sure. */
  readonly unsure: readonly DeviceSpan[];
}

export class OpenWindows {
  readonly #minutes = new Map<number, Map<string, DeviceWindow>>();
  readonly #cursor = new FieldCursor();
  readonly #names = new Map<string, Buffer>();
  readonly #maxSums: number;
  #completeFrom: number;
  #sums = 0;

  /** `completeFrom`: no reading of this minute, or a later one, passed by before. */
  constructor(completeFrom: number, maxSums: number = MAX_SUMS) {
    this.#completeFrom = completeFrom;
    this.#maxSums = maxSums;
  }

  /** Takes up all readings from `since` on. Gives the newest timestamp, and whether there are older ones. */
  add(view: FrameView, since: number): { readonly newest: number; readonly hasLate: boolean } {
    let newest = 0;
    let hasLate = false;
    for (const group of view.groups()) {
      let { from } = group;
      let minute = -1;
      let window: DeviceWindow | undefined;
      for (let line = group.first; line < group.first + group.count; line += 1) {
        const timestamp = view.timestampOf(line);
        const to = from + view.lengthOf(line);
        if (timestamp > newest) newest = timestamp;
        if (timestamp < since) {
          hasLate = true;
        } else {
          const its = timestamp - (timestamp % MINUTE);
          if (its !== minute) {
            minute = its;
            window = this.#windowOf(minute, group.key);
          }
          if (window !== undefined) {
            judge(window, timestamp, view.bytes, to);
            this.#sum(window, view.bytes, from);
          }
        }
        from = to;
      }
    }
    if (this.#sums > this.#maxSums) this.#forget();
    return { newest, hasLate };
  }

  /** What the minute came to, and no longer kept; `undefined` where that has to be asked of InfluxDB. Nothing may be added to it any more. */
  take(minute: number): ClosedWindow | undefined {
    const devices = this.#minutes.get(minute);
    this.#minutes.delete(minute);
    for (const { sums } of devices?.values() ?? []) this.#sums -= sums.length;
    if (minute < this.#completeFrom) return undefined;
    const points: RollupPoint[] = [];
    const unsure: DeviceSpan[] = [];
    for (const [key, window] of devices ?? []) {
      const slash = key.indexOf("/");
      const [tenant, device] = [key.slice(0, slash), key.slice(slash + 1)];
      if (window.unsure) {
        const fields = window.sums.map(({ field }) => field);
        if (fields.length > 0) unsure.push({ tenant, device, from: minute, to: minute + MINUTE, fields });
        continue;
      }
      for (const { field, count, sum, min, max } of window.sums) {
        points.push({ tenant, device, metric: metricOf(field), start: minute, count, sum, min, max });
      }
    }
    return { points, unsure };
  }

  /** What is older may have passed by unseen, or was taken and could not be written: it is to be asked of InfluxDB. */
  doubt(before: number): void {
    this.#completeFrom = Math.max(this.#completeFrom, before);
    for (const [minute, devices] of this.#minutes) {
      if (minute >= before) continue;
      this.#minutes.delete(minute);
      for (const { sums } of devices.values()) this.#sums -= sums.length;
    }
  }

  #windowOf(minute: number, key: string): DeviceWindow | undefined {
    if (minute < this.#completeFrom) return undefined;
    let devices = this.#minutes.get(minute);
    if (devices === undefined) this.#minutes.set(minute, (devices = new Map()));
    let window = devices.get(key);
    if (window === undefined)
      devices.set(key, (window = { last: -1, below: [], unsure: false, sums: [], byField: new Map() }));
    return window;
  }

  #sum(window: DeviceWindow, bytes: Buffer, fieldsFrom: number): void {
    const cursor = this.#cursor;
    cursor.open(bytes, fieldsFrom);
    let at = 0;
    do {
      const { nameFrom, nameTo } = cursor;
      // `:s`, `:b`, `:q`: no numbers. `:n` is one.
      if (bytes[nameTo - 2] === COLON && bytes[nameTo - 1] !== LETTER_N) continue;
      let sums = window.sums[at];
      if (sums === undefined || !isAt(sums.name, bytes, nameFrom, nameTo)) {
        sums = this.#sumsOf(window, bytes.subarray(nameFrom, nameTo));
      }
      at += 1;
      const value = cursor.number();
      sums.count += 1;
      sums.sum += value;
      if (value < sums.min) sums.min = value;
      if (value > sums.max) sums.max = value;
    } while (cursor.next());
  }

  /** Devices send their metrics in one order, so this is asked for what is new, and for what is left out now and then. */
  #sumsOf({ sums, byField }: DeviceWindow, found: Buffer): Sums {
    const field = found.toString("latin1");
    const known = byField.get(field);
    if (known !== undefined) return known;
    const fresh = {
      field,
      name: this.#nameOf(field),
      count: 0,
      sum: 0,
      min: Number.POSITIVE_INFINITY,
      max: Number.NEGATIVE_INFINITY,
    };
    sums.push(fresh);
    byField.set(field, fresh);
    this.#sums += 1;
    return fresh;
  }

  /** The same bytes for all devices that have the field. */
  #nameOf(field: string): Buffer {
    let name = this.#names.get(field);
    if (name === undefined) {
      if (this.#names.size >= MAX_NAMES) this.#names.clear();
      this.#names.set(field, (name = Buffer.from(field, "latin1")));
    }
    return name;
  }

  #forget(): void {
    for (const minute of this.#minutes.keys()) this.#completeFrom = Math.max(this.#completeFrom, minute + MINUTE);
    this.#minutes.clear();
    this.#sums = 0;
  }
}

/** By hand: names are short, and Buffer's own comparison is a call out of JavaScript. */
function isAt(name: Buffer, bytes: Buffer, from: number, to: number): boolean {
  if (to - from !== name.length) return false;
  for (let index = 0; index < name.length; index += 1) if (name[index] !== bytes[from + index]) return false;
  return true;
}

/** A reading is sure to be none that was there before if it is newer than all of its device, or differs from those of its millisecond. */
function judge(window: DeviceWindow, timestamp: number, bytes: Buffer, lineEnd: number): void {
  if (timestamp < window.last) {
    window.unsure = true;
    return;
  }
  // Before the line feed the time ends with six digits for what is below the millisecond.
  let below = 0;
  for (let at = lineEnd - 7; at < lineEnd - 1; at += 1) below = below * 10 + ((bytes[at] ?? ZERO) - ZERO);
  if (timestamp > window.last) {
    window.last = timestamp;
    window.below.length = 0;
  } else if (window.below.includes(below)) {
    window.unsure = true;
    return;
  }
  window.below.push(below);
}
