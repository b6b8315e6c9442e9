/** The recorded readings under samples/nab: real machines, rooms, roads and servers, with the spans in which something was truly wrong. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { FleetlogError, messageOf } from "../platform/errors.js";

/** A span of recorded time, ms since the epoch. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

export interface Recording {
  readonly file: string;
  /** As recorded, ms since the epoch, the file's clock taken for UTC; never descending. Parallel to `values`. */
  readonly times: readonly number[];
  readonly values: readonly number[];
  /** When something was wrong, by those who know the machine. */
  readonly anomalies: readonly Span[];
}

/** `folder`: samples/nab; `file`: a path within. Throws NOT_FOUND for a missing file and MALFORMED_PAYLOAD naming the line that is no reading. */
export async function readRecording(folder: string, file: string): Promise<Recording> {
  const { times, values } = parseReadings(await read(join(folder, file)), file);
  const windows = JSON.parse(await read(join(folder, "windows.json"))) as Readonly<
    Record<string, readonly (readonly [string, string])[]>
  >;
  const anomalies = (windows[file] ?? []).map(([from, to]) => ({ from: timeOf(from), to: timeOf(to) }));
  return { file, times, values, anomalies };
}

/** `timestamp,value` after a line of headings. In the order of time; two readings of one time both stay. */
export function parseReadings(csv: string, file: string): Pick<Recording, "times" | "values"> {
  const rows: (readonly [time: number, value: number])[] = [];
  for (const [index, line] of csv.split(/\r?\n/u).entries()) {
    if (index === 0 || line === "") continue;
    const [timestamp = "", text = ""] = line.split(",");
    const time = timeOf(timestamp);
    const value = text.trim() === "" ? Number.NaN : Number(text);
    if (!Number.isFinite(time) || !Number.isFinite(value)) {
      throw new FleetlogError("MALFORMED_PAYLOAD", `${file}, line ${index + 1} is not "timestamp,value": ${line}`);
    }
    rows.push([time, value]);
  }
  // A clock that was set back left some rows out of order.
  rows.sort(([a], [b]) => a - b);
  return { times: rows.map(([time]) => time), values: rows.map(([, value]) => value) };
}

/** `2013-12-10 06:25:00.000000`: microseconds, which the standard parser does not take everywhere. */
function timeOf(text: string): number {
  return Date.parse(`${text.trim().slice(0, 19).replace(" ", "T")}Z`);
}

async function read(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw new FleetlogError(
      "NOT_FOUND",
      `the recorded readings cannot be read: ${messageOf(error)}; they belong to the project, under samples/nab`,
      {},
      { cause: error },
    );
  }
}
