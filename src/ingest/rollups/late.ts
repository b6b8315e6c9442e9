/**
 * Late readings: those for a minute that is closed already. Each such window is noted in JetStream before its frame is
 * acknowledged, so that whoever is killed, the correction is owed and not forgotten. What is not late needs no note: the
 * closing of its minute is still to come. A look at a frame's timestamps is all that most readings cost here.
 */
import type { NatsConnection } from "nats";
import { streams, subjects } from "../../platform/subjects.js";
import type { FrameView } from "../frames/frame.js";
import { fieldOf } from "../writer/line-protocol.js";
import { floorTo } from "./levels.js";
import type { Owed } from "./owed.js";

/** The numbers of one device in one minute that came after its closing. */
export interface LateWindow {
  readonly tenant: string;
  readonly device: string;
  readonly minute: number;
  readonly fields: readonly string[];
}

/** Windows that are known to be noted and not yet taken up. Beyond it they are noted again, which costs and harms nothing. */
const MAX_REMEMBERED = 200_000;
/** A note's size is bounded by NATS's (1 MiB): so many windows are far below. */
const MAX_WINDOWS_A_NOTE = 500;

export interface LateNotes {
  /** For a frame that has late readings. Resolves once every window of theirs is noted durably: then, and not before, the frame may be acknowledged. */
  note(frame: FrameView, closedBefore: number): Promise<number>;
  /** From now on the window is noted again when more comes for it. Call it before the window is read. */
  taken(window: LateWindow): void;
}

/** `owed` hears of each window before it is noted. */
export function createLateNotes(nc: NatsConnection, owed: Pick<Owed, "noting">): LateNotes {
  const js = nc.jetstream();
  /** By window, its fields. */
  const noted = new Map<string, Set<string>>();

  function remember(window: LateWindow): boolean {
    const key = keyOf(window);
    const fields = noted.get(key);
    if (fields === undefined) {
      if (noted.size >= MAX_REMEMBERED) noted.clear();
      noted.set(key, new Set(window.fields));
      return true;
    }
    const isMore = window.fields.some((field) => !fields.has(field));
    for (const field of window.fields) fields.add(field);
    return isMore;
  }

  return {
    async note(frame, closedBefore) {
      const windows = lateWindows(frame, closedBefore).filter(remember);
      if (windows.length === 0) return 0;
      const publish = async (): Promise<void> => {
        for (let index = 0; index < windows.length; index += MAX_WINDOWS_A_NOTE) {
          const some = windows.slice(index, index + MAX_WINDOWS_A_NOTE);
          await js.publish(subjects.lateWindows, JSON.stringify(some), { expect: { streamName: streams.lateWindows } });
        }
      };
      try {
        await owed.noting(windows, publish);
      } catch (error) {
        // Whether they are stored is not known: the frame comes again, and must find them new.
        for (const window of windows) noted.delete(keyOf(window));
        throw error;
      }
      return windows.length;
    },
    taken(window) {
      noted.delete(keyOf(window));
    },
  };
}

function lateWindows(frame: FrameView, closedBefore: number): readonly LateWindow[] {
  const windows = new Map<string, LateWindow & { readonly fields: string[] }>();
  for (const group of frame.groups()) {
    for (const { tenantId: tenant, deviceId: device, timestamp, values } of frame.readings(group)) {
      if (timestamp >= closedBefore) continue;
      const fresh = { tenant, device, minute: floorTo("MINUTE", timestamp), fields: [] };
      const key = keyOf(fresh);
      const window = windows.get(key) ?? fresh;
      windows.set(key, window);
      for (const [metric, value] of Object.entries(values)) {
        const field = fieldOf(metric, "number");
        if (typeof value === "number" && !window.fields.includes(field)) window.fields.push(field);
      }
    }
  }
  return [...windows.values()].filter(({ fields }) => fields.length > 0);
}

function keyOf({ tenant, device, minute }: LateWindow): string {
  return `${tenant}/${device}/${minute}`;
}
