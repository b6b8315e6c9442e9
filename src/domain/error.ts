/** The codes a decider refuses with. They are entries of the platform's error table (`platform/errors.ts`), which gives each its form at every door. */
export type DomainErrorCode =
  | "NOT_FOUND"
  | "ALREADY_EXISTS"
  | "ILLEGAL_TRANSITION"
  | "VERSION_CONFLICT"
  | "INVALID_VALUE"
  | "LIMIT_EXCEEDED";

/** A command that the domain refuses: a literal code for programs, one sentence for people. */
export class DomainError extends Error {
  readonly code: DomainErrorCode;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: DomainErrorCode, message: string, details: Readonly<Record<string, unknown>> = {}) {
    super(message);
    this.name = "DomainError";
    this.code = code;
    this.details = details;
  }
}
