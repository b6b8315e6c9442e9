/**
 * Refused messages once more, after the cause is mended: each through the pipeline as its device, as if it had just come
 * then. Marked after it is stored, so a kill in between replays it once more — onto itself, because its arrival time, and
 * with it its point, is the same. One that is stored is never replayed again.
 */
import { withDeadline } from "../../platform/deadline.js";
import { FleetlogError, messageOf } from "../../platform/errors.js";
import type { ErrorCode } from "../../platform/errors.js";
import { maySpeak } from "../registry/device-access.js";
import type { DeviceAccess } from "../registry/device-access.js";
import { gatewayRefusal, speaksFor } from "../gateways/speaks-for.js";
import type { Done, Ingest, Outcome, Source } from "../ingest.js";
import type { Registry } from "../registry/registry.js";
import type { RejectionDocument, Replayed } from "./document.js";
import type { RejectionQueries, RejectionQuery } from "./queries.js";
import type { ReplayForm } from "./rejection.js";

/** Which messages: these, or the oldest that match; with `untriedSince` (ISO 8601 UTC) those that no replay has tried since. */
export type ReplaySelection =
  | { readonly ids: readonly string[] }
  | { readonly query: RejectionQuery; readonly untriedSince?: string };

/**
 * - `STORED`: taken in, and marked so;
 * - `REFUSED`: refused again, for the reason given; marked, and may be tried again;
 * - `ALREADY_STORED`: an earlier replay did it; nothing was done now;
 * - `NOT_REPLAYABLE`: the ledger does not have all of it, or it never was a message that a device may send;
 * - `NOT_FOUND`: not in the ledger of this tenant (any more);
 * - `UNAVAILABLE`: an engine did not answer; try again.
 */
export type ReplayOutcome = "STORED" | "REFUSED" | "ALREADY_STORED" | "NOT_REPLAYABLE" | "NOT_FOUND" | "UNAVAILABLE";

export interface ReplayResult {
  readonly rejectionId: string;
  readonly outcome: ReplayOutcome;
  readonly code?: ErrorCode;
  readonly reason?: string;
}

export interface RejectionReplay {
  /** At most MAX_REPLAYED of them, oldest first; `more` says whether others match that were not tried. */
  replay(
    tenantId: string,
    by: string,
    selection: ReplaySelection,
  ): Promise<{ readonly results: readonly ReplayResult[]; readonly more: boolean }>;
}

export interface RejectionReplayDeps {
  readonly ingest: Pick<Ingest, "accept" | "acceptMeasurements" | "restore" | "available">;
  readonly registry: Pick<Registry, "find" | "findNamed">;
  readonly rejections: Pick<RejectionQueries, "find" | "replayable" | "mark">;
}

/** In one request. */
export const MAX_REPLAYED = 500;
const ANSWER_WITHIN_MS = 10_000;
const DEVICE_ID = /^[A-Za-z0-9_-]{1,64}$/u;

export function createRejectionReplay({ ingest, registry, rejections }: RejectionReplayDeps): RejectionReplay {
  async function accessOf(document: RejectionDocument, form: ReplayForm): Promise<DeviceAccess | ReplayResult> {
    const { tenantId, deviceId } = document;
    const access = await withDeadline(registry.find(tenantId, deviceId), ANSWER_WITHIN_MS, "asking for the device");
    if (access === undefined)
      return refused(document, "NOT_FOUND", `there is no device ${deviceId}: register it first`);
    if (!maySpeak(access)) {
      return refused(document, "FORBIDDEN", `device ${deviceId} is ${access.status}: activate it first`);
    }
    if (form.as === "reading" || form.child === undefined) return access;
    const child = await withDeadline(childOf(access, form.child), ANSWER_WITHIN_MS, "asking for the gateway's device");
    const why = gatewayRefusal(access, child, form.child);
    if (why !== undefined) return refused(document, why.code, why.message);
    return child ?? refused(document, "NOT_FOUND", `there is no device ${form.child}: register it first`);
  }

  /** By its id, or else by its name among the gateway's devices. */
  async function childOf(gateway: DeviceAccess, called: string): Promise<DeviceAccess | undefined> {
    const { tenantId, deviceId } = gateway;
    const byId = DEVICE_ID.test(called) ? await registry.find(tenantId, called) : undefined;
    if (byId !== undefined && speaksFor(gateway, byId)) return byId;
    return (await registry.findNamed(tenantId, deviceId, called)) ?? byId;
  }

  /** Given to the pipeline at once, so that messages of one device keep their order; answered when they are stored. */
  async function begin(document: RejectionDocument): Promise<{ readonly answer: Promise<ReplayResult> }> {
    const now = (result: ReplayResult) => ({ answer: Promise.resolve(result) });
    const { rejectionId, form, replayed } = document;
    if (replayed?.outcome === "STORED") return now({ rejectionId, outcome: "ALREADY_STORED" });
    if (form === undefined) return now({ rejectionId, outcome: "NOT_REPLAYABLE", reason: notReplayable(document) });
    try {
      const how = JSON.parse(form) as ReplayForm;
      const access = await accessOf(document, how);
      if ("outcome" in access) return now(access);
      const outcome = new Promise<Outcome>((done) => give(document, how, access, done));
      return { answer: outcome.then((answer) => resultOf(document, answer)) };
    } catch (error) {
      return now({ rejectionId, outcome: "UNAVAILABLE", code: "UNAVAILABLE", reason: messageOf(error) });
    }
  }

  function give(document: RejectionDocument, form: ReplayForm, access: DeviceAccess, done: Done): void {
    const { door, topic, at, encoding } = document;
    const payload = Buffer.from(document.payload, encoding);
    const source: Source = { door, topic, replay: { receivedAt: Date.parse(at) } };
    switch (form.as) {
      case "message": {
        const { format } = form;
        ingest.accept(form.topic, access, payload, format === undefined ? source : { ...source, format }, done);
        return;
      }
      case "measurements":
        ingest.acceptMeasurements(access, form.measurements, payload, source, done);
        return;
      case "reading":
        ingest.restore(form.reading, done);
    }
  }

  async function replayAll(documents: readonly RejectionDocument[], by: string): Promise<readonly ReplayResult[]> {
    const answers: Promise<ReplayResult>[] = [];
    for (const document of documents) answers.push((await begin(document)).answer);
    const results = await Promise.all(answers);
    const at = new Date().toISOString();
    const marks = results.flatMap(({ outcome, code, reason }, index) => {
      const document = documents[index];
      if (document === undefined || (outcome !== "STORED" && outcome !== "REFUSED")) return [];
      const why = { ...(code === undefined ? {} : { code }), ...(reason === undefined ? {} : { reason }) };
      const replayed: Replayed = { outcome, at, by, ...why };
      return [{ _id: document._id, replayed }];
    });
    await rejections.mark(marks);
    return results;
  }

  return {
    async replay(tenantId, by, selection) {
      if (!ingest.available) {
        throw new FleetlogError("UNAVAILABLE", "JetStream takes nothing in at the moment: replay them later");
      }
      if ("ids" in selection) {
        const ids = [...new Set(selection.ids)];
        if (ids.length > MAX_REPLAYED) {
          throw new FleetlogError("PAGE_TOO_LARGE", `${ids.length} ids: a request replays at most ${MAX_REPLAYED}`);
        }
        const found = await rejections.find(tenantId, ids);
        const oldestFirst = found.toSorted((a, b) => (a.at < b.at ? -1 : 1));
        const results = new Map((await replayAll(oldestFirst, by)).map((result) => [result.rejectionId, result]));
        return {
          results: ids.map((rejectionId) => results.get(rejectionId) ?? { rejectionId, outcome: "NOT_FOUND" }),
          more: false,
        };
      }
      const { query, untriedSince = new Date().toISOString() } = selection;
      const found = await rejections.replayable(tenantId, query, MAX_REPLAYED + 1, untriedSince);
      const documents = found.slice(0, MAX_REPLAYED);
      return { results: await replayAll(documents, by), more: found.length > MAX_REPLAYED };
    },
  };
}

function resultOf({ rejectionId }: RejectionDocument, outcome: Outcome): ReplayResult {
  switch (outcome.kind) {
    case "stored":
      return { rejectionId, outcome: "STORED" };
    case "refused":
      return { rejectionId, outcome: "REFUSED", code: outcome.refusal.code, reason: outcome.refusal.message };
    case "failed":
      return { rejectionId, outcome: "UNAVAILABLE", code: outcome.error.code, reason: outcome.error.message };
  }
}

function refused({ rejectionId }: RejectionDocument, code: ErrorCode, reason: string): ReplayResult {
  return { rejectionId, outcome: "REFUSED", code, reason };
}

function notReplayable({ bytes, payload, encoding }: RejectionDocument): string {
  return Buffer.byteLength(payload, encoding) < bytes
    ? `only the beginning of its ${bytes} bytes is kept: have the device send it again`
    : "it never was a message that this device may send";
}
