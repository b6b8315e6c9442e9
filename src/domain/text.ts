import { DomainError } from "./error.js";

/** What people say beside a decision: a reason, a note. The history keeps it for ever, so it has an end. */
export const MAX_REMARK_LENGTH = 1024;

/** Throws INVALID_VALUE, naming the field, where the text is longer than it may be. */
export function checkLength(field: string, text: string | undefined, most: number): void {
  if (text !== undefined && text.length > most) {
    throw new DomainError("INVALID_VALUE", `${field} has at most ${most} characters, not ${text.length}`);
  }
}
