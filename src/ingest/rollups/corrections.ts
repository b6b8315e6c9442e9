/** Late windows made good: minutes from the readings, then the hours and days that were closed over them. */
import type { DeviceSpan, RollupStore } from "./compute.js";
import type { LateWindow } from "./late.js";
import { floorTo, levels } from "./levels.js";
import type { Level } from "./levels.js";
import type { Closed, Marks } from "./marks.js";
import { metricOf } from "../writer/line-protocol.js";
import { sweptBefore } from "../retention/swept.js";
import type { Swept } from "../retention/swept.js";

export interface Corrected {
  readonly points: number;
  /** Windows whose readings retention has deleted, or may be deleting: what is left of them would make them wrong. */
  readonly sealed: number;
}

export async function correct(
  store: RollupStore,
  marks: Pick<Marks, "swept">,
  late: readonly LateWindow[],
  closed: Closed,
  signal: AbortSignal,
): Promise<Corrected> {
  const swept = new Map<string, Swept>();
  for (const { tenant } of late) if (!swept.has(tenant)) swept.set(tenant, await marks.swept(tenant));
  const has = (window: LateWindow, source: "RAW" | Level, start: number): readonly string[] =>
    window.fields.filter((field) => start >= sweptBefore(swept.get(window.tenant) ?? {}, source, metricOf(field)));

  let points = 0;
  let sealed = 0;
  let windows: readonly LateWindow[] = late;
  let source: "RAW" | Level = "RAW";
  for (const level of ["MINUTE", "HOUR", "DAY"] as const) {
    const open = windows.flatMap((window) => {
      const minute = floorTo(level, window.minute);
      const fields = has(window, source, minute);
      if (fields.length < window.fields.length) sealed += 1;
      // A window that is not closed yet is rolled with all the others when it is.
      if (fields.length === 0 || minute >= closed[level]) return [];
      return [{ ...window, minute, fields }];
    });
    points += await store.correct(level, spansOf(level, open), signal);
    windows = open;
    source = level;
  }
  return { points, sealed };
}

/** Windows of one device that follow each other become one span: one statement instead of many. */
function spansOf(level: Level, windows: readonly LateWindow[]): readonly DeviceSpan[] {
  const { ms } = levels[level];
  const spans: { tenant: string; device: string; from: number; to: number; fields: string[] }[] = [];
  const ordered = windows.toSorted(
    (a, b) => compare(a.tenant, b.tenant) || compare(a.device, b.device) || a.minute - b.minute,
  );
  for (const { tenant, device, minute, fields } of ordered) {
    const last = spans.at(-1);
    if (last?.tenant === tenant && last.device === device && minute <= last.to) {
      last.to = minute + ms;
      last.fields = [...new Set([...last.fields, ...fields])];
    } else {
      spans.push({ tenant, device, from: minute, to: minute + ms, fields: [...fields] });
    }
  }
  return spans;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
