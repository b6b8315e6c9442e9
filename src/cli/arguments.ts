import { readFileSync } from "node:fs";
import { InvalidArgumentError } from "commander";
import { messageOf } from "../platform/errors.js";

// What people type, as the value it means. Each throws commander's InvalidArgumentError, which ends in exit code 2.

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

function durationMs(text: string): number | undefined {
  const [, amount, unit = ""] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text) ?? [];
  const factor = UNITS[unit];
  return amount === undefined || factor === undefined ? undefined : Number(amount) * factor;
}

/** `90s`, `15m`, `8h`, `30d`, as seconds. */
export function seconds(text: string): number {
  const ms = durationMs(text);
  if (ms === undefined) throw new InvalidArgumentError("It is a duration such as 90s, 15m, 8h or 30d.");
  return ms / 1_000;
}

/** An ISO 8601 time, or a duration before now: `2h`. */
export function pastTime(text: string): string {
  return time(text, -1);
}

/** An ISO 8601 time, or a duration from now: `30d`. */
export function futureTime(text: string): string {
  return time(text, 1);
}

function time(text: string, sign: 1 | -1): string {
  const ms = durationMs(text);
  if (ms !== undefined) return new Date(Date.now() + sign * ms).toISOString();
  // Date.parse takes "5" for a month of 2001: only what looks like a date is asked.
  const at = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(at)) {
    throw new InvalidArgumentError("It is an ISO 8601 time such as 2026-05-01T08:00:00Z, or a duration such as 2h.");
  }
  return new Date(at).toISOString();
}

export function finite(text: string): number {
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (!Number.isFinite(value)) throw new InvalidArgumentError("It is a number.");
  return value;
}

export function whole(text: string): number {
  const value = finite(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new InvalidArgumentError("It is a whole number from 0.");
  return value;
}

export function count(text: string): number {
  const value = whole(text);
  if (value === 0) throw new InvalidArgumentError("It is a whole number from 1.");
  return value;
}

/** For options that may be given several times, or once with commas. */
export function list(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, ...text.split(",").map((entry) => entry.trim())];
}

export function upperCaseList(text: string, before: readonly string[] = []): readonly string[] {
  return list(text.toUpperCase(), before);
}

export function json(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new InvalidArgumentError(`It is JSON, and this is none: ${messageOf(error)}`);
  }
}

export function jsonObject(text: string): Readonly<Record<string, unknown>> {
  const value = json(text);
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new InvalidArgumentError("It is a JSON object, such as '{\"interval\": 5}'.");
  }
  return value as Readonly<Record<string, unknown>>;
}

/** JSON itself, or the name of a file that holds it. */
export function jsonOrFile(text: string): unknown {
  if (/^\s*[[{]/.test(text)) return json(text);
  let content: string;
  try {
    content = readFileSync(text, "utf8");
  } catch (error) {
    throw new InvalidArgumentError(`It is JSON or a file of JSON, and the file cannot be read: ${messageOf(error)}`);
  }
  return json(content);
}
