/** The forms that an answer takes. */
import { errorTable } from "../../platform/errors.js";
import type { Outcome } from "../ingest.js";
import { refusal } from "../pipeline/refusal.js";
import type { Refusal } from "../pipeline/refusal.js";
import type { Response } from "./endpoint.js";
import { codeOf } from "./message.js";
import { options, uintOption } from "./options.js";

export function ofOutcome(outcome: Outcome, success = codeOf("2.04")): Response {
  switch (outcome.kind) {
    case "stored":
      return { code: success, keep: true };
    case "refused":
      return refused(outcome.refusal);
    case "failed":
      return outcome.error.code === "UNAVAILABLE"
        ? unavailable(outcome.error.message)
        : { ...refused(refusal(outcome.error.code, outcome.error.message)), keep: false };
  }
}

/** The reason as diagnostic payload (section 5.5.2). */
export function refused({ code, message }: Refusal): Response {
  return answer(errorTable[code].coap, message);
}

/** Not kept: a repetition may fare better. */
export function unavailable(message: string): Response {
  return { ...answer("5.03", message), options: [uintOption(options.maxAge, 2)], keep: false };
}

export function answer(code: string, message: string): Response {
  return { code: codeOf(code), payload: Buffer.from(message.slice(0, 512)), keep: true };
}

export function stranger(code: string, message: string): Response {
  return { ...answer(code, message), keep: false };
}

export function strangerRefused({ code, message }: Refusal): Response {
  if (code === "UNAVAILABLE") return unavailable("");
  const short = code === "UNAUTHENTICATED" ? "wrong or missing key" : message;
  return { code: codeOf(errorTable[code].coap), payload: Buffer.from(short), options: [], keep: false };
}
