import { NatsError } from "nats";
import type { NatsConnection } from "nats";
import { FleetlogError } from "../platform/errors.js";
import type { ErrorCode } from "../platform/errors.js";
import { subjects } from "../platform/subjects.js";
import type { RebuildDocument } from "./rebuilds.js";

/** Asks the projector, wherever it runs, to rebuild a read model. Throws what it refuses with, or UNAVAILABLE when none runs. */
export async function requestRebuild(nats: NatsConnection, projection: string): Promise<RebuildDocument> {
  type Reply = RebuildDocument | { readonly refused: { readonly code: ErrorCode; readonly message: string } };
  let reply: Reply;
  try {
    reply = (await nats.request(subjects.rebuild, projection, { timeout: 10_000 })).json<Reply>();
  } catch (error) {
    if (!(error instanceof NatsError)) throw error;
    throw new FleetlogError(
      "UNAVAILABLE",
      "no projector answers: is the role `projector` running?",
      {},
      { cause: error },
    );
  }
  if ("refused" in reply) throw new FleetlogError(reply.refused.code, reply.refused.message);
  return reply;
}
