import { FleetlogError, errorTable } from "../platform/errors.js";
import type { ErrorCode } from "../platform/errors.js";

/** The person used the command wrongly: exit code 2. */
export class UsageError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "UsageError";
  }
}

/** What the platform refused, under the code that it gave. */
export function refusedBy(code: unknown, message: string): FleetlogError {
  const known = typeof code === "string" && Object.hasOwn(errorTable, code) ? (code as ErrorCode) : "INTERNAL";
  return new FleetlogError(known, message);
}

/** The line for standard error: what happened, its code for programs, and where only a person can help, how. */
export function described(error: FleetlogError): string {
  const line = `${error.message} (${error.code})`;
  return error.code === "UNAUTHENTICATED"
    ? `${line}\nGet a token with: npx fleetlog token issue --tenant TENANT`
    : line;
}
