/**
 * JSON lines: each line is a message of its own, stored or refused by itself, so that one bad line does not hold back an
 * hour of good ones. Whatever is answered with 2xx or 4xx is dealt with, durably, line by line; after a 5xx the whole
 * batch is sent again, and lines that have their own `ts` land on themselves.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { ErrorCode } from "../../platform/errors.js";
import type { DeviceAccess } from "../registry/device-access.js";
import type { Ingest, Outcome, Source } from "../ingest.js";
import { refusal } from "../pipeline/refusal.js";

const MAX_LINES = 10_000;
const LINE_FEED = 0x0a;
/** Lines that are under way at one time: between two such portions others get their turn, and the storage is asked for room. */
const PORTION = 250;
/** Refused lines that the answer lists; the others are counted, and all are kept. */
const MAX_LISTED = 100;

export interface RefusedLine {
  /** From 1. */
  readonly line: number;
  readonly code: ErrorCode;
  readonly message: string;
}

export interface BatchOutcome {
  /** Readings. */
  readonly stored: number;
  readonly refused: readonly RefusedLine[];
  /** Refused lines beyond those listed. */
  readonly more: number;
  /** Why some lines are not dealt with: the whole batch should come again. */
  readonly failed?: { readonly code: ErrorCode; readonly message: string };
}

export interface BatchDeps {
  readonly ingest: Ingest;
  readonly maxLineBytes: number;
  /** False: the storage has no room, and has had none for long. */
  readonly hasRoom: () => Promise<boolean>;
}

/** Resolves once every line is durably stored or durably refused, or with `failed`. */
export async function takeBatch(
  deps: BatchDeps,
  access: DeviceAccess,
  body: Buffer,
  source: Source,
): Promise<BatchOutcome> {
  const lines = [...linesOf(body)];
  const outcome = { stored: 0, refused: [] as RefusedLine[], more: 0 };
  if (lines.length === 0) {
    return failed(outcome, "MALFORMED_PAYLOAD", "the batch has no lines: send a reading set on each");
  }
  if (lines.length > MAX_LINES) {
    return failed(outcome, "PAYLOAD_TOO_LARGE", `a batch has at most ${MAX_LINES} lines: send several`);
  }
  for (let from = 0; from < lines.length; from += PORTION) {
    if (from > 0) await nextTurn();
    if (!(await deps.hasRoom()))
      return failed(outcome, "UNAVAILABLE", "the storage is full: send the batch again later");
    const portion = lines.slice(from, from + PORTION);
    const outcomes = await Promise.all(portion.map(({ bytes }) => takeLine(deps, access, bytes, source)));
    for (const [index, { number }] of portion.entries()) {
      const one = outcomes[index];
      if (one === undefined) continue;
      if (one.kind === "stored") outcome.stored += one.readings;
      else if (one.kind === "failed")
        return failed(outcome, one.error.code, `${one.error.message}: send the batch again`);
      else if (outcome.refused.length >= MAX_LISTED) outcome.more += 1;
      else outcome.refused.push({ line: number, code: one.refusal.code, message: one.refusal.message });
    }
  }
  return outcome;
}

function takeLine(deps: BatchDeps, access: DeviceAccess, line: Buffer, source: Source): Promise<Outcome> {
  const { ingest, maxLineBytes } = deps;
  return new Promise((done) => {
    if (line.length <= maxLineBytes) return ingest.accept("telemetry", access, line, source, done);
    const why = refusal("PAYLOAD_TOO_LARGE", `a line has at most ${maxLineBytes} bytes, not ${line.length}`);
    return ingest.refuse(access, why, line, source, done);
  });
}

function failed(outcome: BatchOutcome, code: ErrorCode, message: string): BatchOutcome {
  return { ...outcome, failed: { code, message } };
}

/** For the limits, before anything else is done with the batch; blank lines count. At least 1, at most as many as a batch may have. */
export function countLines(body: Buffer): number {
  let lines = 0;
  for (let from = 0; from < body.length && lines < MAX_LINES; lines += 1) {
    const end = body.indexOf(LINE_FEED, from);
    from = end === -1 ? body.length : end + 1;
  }
  return Math.max(1, lines);
}

/** Blank lines are none. Stops one beyond the bound: a body of nothing but line ends costs no more. */
function* linesOf(body: Buffer): Iterable<{ readonly number: number; readonly bytes: Buffer }> {
  let number = 0;
  let found = 0;
  for (let from = 0; from < body.length && found <= MAX_LINES;) {
    const end = body.indexOf(LINE_FEED, from);
    const to = end === -1 ? body.length : end;
    number += 1;
    const bytes = body.subarray(from, body[to - 1] === 0x0d && to > from ? to - 1 : to);
    from = to + 1;
    if (bytes.length === 0) continue;
    found += 1;
    yield { number, bytes };
  }
}
