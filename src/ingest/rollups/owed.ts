/**
 * Which time of a tenant's telemetry is owed a correction: late readings were noted for it, and its rollups lack them still.
 * Whoever answers a question takes the readings themselves there. It is stored before the note is, and taken back after the
 * last correction is written, so it may say too much for a while, and never too little, whoever is killed in between.
 *
 * There are two generations, so that late readings that never stop coming cannot keep it from ever being taken back: what is
 * `covered` goes once every note up to its last one is worked off; what is noted meanwhile gathers behind it.
 */
import { floorTo, levels } from "./levels.js";
import type { LateWindow } from "./late.js";

/** Ms, whole hours: [from, to). */
export interface OwedSpan {
  readonly from: number;
  readonly to: number;
}

/** Of a tenant; beyond, the two that are nearest to each other become one with what is between them. */
const MAX_SPANS = 4;

export interface OwedMarks {
  /** Of every tenant that is owed something. */
  allOwed(): Promise<ReadonlyMap<string, readonly OwedSpan[]>>;
  setOwed(tenant: string, spans: readonly OwedSpan[]): Promise<void>;
}

/** How far the notes are worked off. */
export interface NotesState {
  /** The sequence of the newest note that there ever was. */
  readonly last: number;
  /** The sequence up to which all are worked off. */
  readonly doneUntil: number;
}

export interface Owed {
  /** Says durably that the windows are owed, then lets `note` say what is to be corrected. Rejects with what either failed with. */
  noting(windows: readonly LateWindow[], note: () => Promise<void>): Promise<void>;
  /** Takes back what is worked off. Asks nothing when nothing is owed; may be repeated after a failure. */
  settle(state: () => Promise<NotesState>): Promise<void>;
}

type Spans = Map<string, readonly OwedSpan[]>;

/** What an earlier process left is owed until every note that there is now is worked off. */
export async function openOwed(marks: OwedMarks): Promise<Owed> {
  let covered: Spans = new Map(await marks.allOwed());
  /** The last note that `covered` stands for, once it is known. */
  let until: number | undefined;
  let gathering: Spans = new Map();
  /** Tenants of whom what is stored is not what is known here. */
  const unstored = new Set<string>();
  let underWay = 0;
  /** Whether the last note may or may not be stored: its frame comes again, and until then its span stays. */
  let isUnsure = false;
  let isTurnDue = false;

  async function store(tenant: string): Promise<void> {
    unstored.delete(tenant);
    try {
      const spans = (gathering.get(tenant) ?? []).reduce(withSpan, covered.get(tenant) ?? []);
      await marks.setOwed(tenant, spans);
    } catch (error) {
      unstored.add(tenant);
      throw error;
    }
  }

  /** Only when no note is on its way: each one of a generation is then below the next answer's `last`. */
  function turn(): void {
    isTurnDue = false;
    covered = gathering;
    gathering = new Map();
    until = undefined;
  }

  return {
    async noting(windows, note) {
      underWay += 1;
      try {
        for (const { tenant, minute } of windows) {
          const from = floorTo("HOUR", minute);
          const known = gathering.get(tenant) ?? [];
          const spans = withSpan(known, { from, to: from + levels.HOUR.ms });
          if (spans === known) continue;
          gathering.set(tenant, spans);
          unstored.add(tenant);
        }
        const tenants = new Set(windows.map(({ tenant }) => tenant));
        await Promise.all([...tenants].filter((tenant) => unstored.has(tenant)).map(store));
        await note();
        isUnsure = false;
      } catch (error) {
        isUnsure = true;
        throw error;
      } finally {
        underWay -= 1;
        if (isTurnDue && underWay === 0 && !isUnsure) turn();
      }
    },

    async settle(state) {
      if (covered.size > 0) {
        const { last, doneUntil } = await state();
        until ??= last;
        if (doneUntil < until) return;
        for (const tenant of covered.keys()) unstored.add(tenant);
        covered = new Map();
      }
      await Promise.all([...unstored].map(store));
      if (covered.size > 0 || gathering.size === 0) return;
      if (underWay === 0 && !isUnsure) turn();
      else isTurnDue = true;
    },
  };
}

/** In the order of time and apart from each other; the very same where it is in there already. */
export function withSpan(spans: readonly OwedSpan[], span: OwedSpan): readonly OwedSpan[] {
  if (spans.some((each) => each.from <= span.from && span.to <= each.to)) return spans;
  let { from, to } = span;
  const apart = spans.filter((each) => {
    if (each.to < from || each.from > to) return true;
    from = Math.min(from, each.from);
    to = Math.max(to, each.to);
    return false;
  });
  const all = [...apart, { from, to }].toSorted((a, b) => a.from - b.from);
  return all.length > MAX_SPANS ? withoutNarrowestGap(all) : all;
}

function withoutNarrowestGap(spans: readonly OwedSpan[]): readonly OwedSpan[] {
  const gaps = spans.slice(1).map(({ from }, index) => from - (spans[index]?.to ?? from));
  const at = gaps.indexOf(Math.min(...gaps));
  const [before, after] = [spans[at], spans[at + 1]];
  if (before === undefined || after === undefined) return spans;
  return [...spans.slice(0, at), { from: before.from, to: after.to }, ...spans.slice(at + 2)];
}
