import type { CommandRequest } from "../commands/index.js";
import type { CommandOutcome } from "../commands/index.js";
import type { Category } from "../events/index.js";
import { withDeadline } from "../platform/deadline.js";
import { FleetlogError, messageOf } from "../platform/errors.js";
import { newId } from "../platform/ids.js";
import type { GraphqlContext } from "./context.js";
import type { GraphqlDeps } from "./deps.js";

/** How long a mutation waits for the read model to show what it did. */
const SHOW_WITHIN_MS = 5_000;

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export type MutationDeps = Pick<GraphqlDeps, "commands" | "shown" | "logger">;

/** The caller's command id, or a new one. The same id is never decided twice on the same thing: a retry gets its first outcome. */
export function commandIdOf(given: string | null | undefined): string {
  if (given === null || given === undefined) return newId();
  if (UUID.test(given)) return given;
  throw new FleetlogError("INVALID_VALUE", "commandId is not valid: it is a UUID in lower case");
}

export function now(): string {
  return new Date().toISOString();
}

/**
 * Gives the command, waits until the read model shows its outcome, and reads the thing back. Once the command is accepted
 * nothing makes it an error: where the read model is late or away, `shown` is false and the thing as it was, or undefined.
 */
export async function decideAndShow<C extends Category, T>(
  deps: MutationDeps,
  context: GraphqlContext,
  request: Pick<CommandRequest<C>, "category" | "tenantId" | "id" | "command" | "commandId">,
  read: () => Promise<T | undefined>,
): Promise<{ readonly outcome: CommandOutcome; readonly thing: T | undefined; readonly shown: boolean }> {
  const { correlationId, actor } = context;
  const outcome = await deps.commands.execute<C>({ ...request, actor, correlationId });
  try {
    const shown = await deps.shown.wait(request.category, outcome.position, SHOW_WITHIN_MS);
    return { outcome, thing: await withDeadline(read(), SHOW_WITHIN_MS, "reading the changed thing back"), shown };
  } catch (error) {
    deps.logger.warn({ correlationId, error: messageOf(error) }, "stored, but the read model could not be asked");
    return { outcome, thing: undefined, shown: false };
  }
}
