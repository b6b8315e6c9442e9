/**
 * Readings from integrators over NATS, `fleetlog.{tenant}.ingest.{device}`. Who may publish there is for NATS's own
 * permissions to say; here only the device must exist and be allowed to speak. A request is answered once the readings
 * are stored; a plain publish is as sure as core NATS is.
 */
import type { Msg, NatsConnection } from "nats";
import { deviceId as checkedDeviceId, tenantId as checkedTenantId } from "../../domain/ids.js";
import { messageOf } from "../../platform/errors.js";
import type { ErrorCode } from "../../platform/errors.js";
import type { HasHealth, Running } from "../../platform/lifecycle.js";
import type { Logger } from "../../platform/logger.js";
import { subjects } from "../../platform/subjects.js";
import { maySpeak } from "../registry/device-access.js";
import type { DeviceAccess } from "../registry/device-access.js";
import type { Ingest, Outcome, RefusedName } from "../ingest.js";
import { nobody } from "../registry/known-tenants.js";
import { refusal } from "../pipeline/refusal.js";
import type { Registry } from "../registry/registry.js";

export interface NatsDoorDeps {
  readonly nc: NatsConnection;
  readonly ingest: Ingest;
  readonly registry: Registry;
  readonly logger: Logger;
  /** As at the other doors; NATS itself lets more through, because frames are larger. */
  readonly maxPayloadBytes: number;
}

type Answer =
  | { readonly stored: number }
  | { readonly error: { readonly code: ErrorCode; readonly message: string; readonly retryAfterMs?: number } };

/** Messages that are looked up or stored at one time; beyond it they are answered LIMIT_EXCEEDED, because core NATS cannot hold them back. */
const MAX_UNDERWAY = 10_000;
const MAX_BYTES_UNDERWAY = 64 * 1024 ** 2;

export function startNatsDoor({ nc, ingest, registry, logger, maxPayloadBytes }: NatsDoorDeps): Running & HasHealth {
  let underway = 0;
  let bytesUnderway = 0;
  let whenIdle: (() => void) | undefined;
  const subscription = nc.subscribe(subjects.ingest("*", "*"), {
    queue: "fleetlog-ingest",
    callback(error, message) {
      if (error === null) take(message);
      else logger.error({ error: error.message }, "the NATS door cannot listen");
    },
  });

  function take(message: Msg): void {
    const [, tenant = "", , device = ""] = message.subject.split(".");
    underway += 1;
    bytesUnderway += message.data.length;
    if (underway > MAX_UNDERWAY || bytesUnderway > MAX_BYTES_UNDERWAY) {
      ingest.counters.rejected("nats", "LIMIT_EXCEEDED");
      const most = `${MAX_UNDERWAY} messages or ${MAX_BYTES_UNDERWAY} bytes`;
      answer(message, failed("LIMIT_EXCEEDED", `${most} are under way at the NATS door: send more slowly`, 100));
      return;
    }
    if (ingest.saturated) {
      ingest.counters.rejected("nats", "UNAVAILABLE");
      answer(
        message,
        failed("UNAVAILABLE", "the storage is not taking readings in at the moment: send it again later"),
      );
      return;
    }
    // At once where the device is known: messages of one device keep their order.
    const known = registry.peek(tenant, device);
    if (known !== undefined) accept(message, known, known);
    else {
      look(tenant, device).then(
        ({ access, named }) => accept(message, access, named),
        (error: unknown) => {
          logger.debug({ error: messageOf(error) }, "a message came while the registry was away");
          ingest.counters.rejected("nats", "UNAVAILABLE");
          answer(message, failed("UNAVAILABLE", "the registry does not answer: try again"));
        },
      );
    }
  }

  /** The device, and under which names a refusal is kept: none for what names no device at all. */
  async function look(
    tenant: string,
    device: string,
  ): Promise<{ readonly access: DeviceAccess | undefined; readonly named: RefusedName | undefined }> {
    const access = await registry.find(tenant, device);
    if (access !== undefined) return { access, named: access };
    const named = namedIn(tenant, device);
    return { access, named: named === undefined || (await registry.hasTenant(tenant)) ? named : nobody };
  }

  function accept(message: Msg, access: DeviceAccess | undefined, named: RefusedName | undefined): void {
    const { data, subject } = message;
    const payload = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    const source = { door: "nats", topic: subject, form: { as: "message", topic: "telemetry" } } as const;
    const answered = (outcome: Outcome): void => {
      switch (outcome.kind) {
        case "stored":
          return answer(message, { stored: outcome.readings });
        case "refused":
          return answer(message, failed(outcome.refusal.code, outcome.refusal.message));
        case "failed":
          return answer(message, failed(outcome.error.code, outcome.error.message));
      }
    };
    if (access === undefined || !maySpeak(access)) {
      const code = access === undefined ? "NOT_FOUND" : "FORBIDDEN";
      const why = access === undefined ? "there is no such device" : `device ${access.deviceId} is ${access.status}`;
      const refused = refusal(code, `${why}: register and activate it first`);
      // What names no device at all is nobody's to find in a ledger.
      if (named !== undefined) return ingest.refuse(named, refused, payload, source, answered);
      ingest.counters.rejected("nats", code);
      return answer(message, failed(code, refused.message));
    }
    ingest.seen.heard(access.tenantId, access.deviceId);
    if (payload.length > maxPayloadBytes) {
      const tooLarge = refusal("PAYLOAD_TOO_LARGE", `a payload has at most ${maxPayloadBytes} bytes: send several`);
      ingest.refuse(access, tooLarge, payload, source, answered);
      return;
    }
    const wait = ingest.limits.take(access, payload.length);
    if (wait === undefined) ingest.accept("telemetry", access, payload, source, answered);
    else if (asksForAnswer(message)) {
      ingest.counters.rejected("nats", "LIMIT_EXCEEDED");
      answer(message, failed("LIMIT_EXCEEDED", wait.limit, wait.waitMs));
    } else {
      // Nobody is there to be told to send it again.
      ingest.refuse(access, refusal("LIMIT_EXCEEDED", wait.limit), payload, source, answered);
    }
  }

  function answer(message: Msg, body: Answer): void {
    underway -= 1;
    bytesUnderway -= message.data.length;
    if (asksForAnswer(message) && !nc.isClosed()) message.respond(JSON.stringify(body));
    if (underway === 0) whenIdle?.();
  }

  return {
    async stop() {
      // What is under way is answered by its storage, or by its deadline: this wait is bounded.
      if (!subscription.isClosed()) await subscription.drain();
      if (underway > 0) {
        await new Promise<void>((resolve) => {
          whenIdle = resolve;
        });
      }
    },
    health: () => [
      { name: "nats-door", state: subscription.isClosed() ? "down" : "up", lag: underway, lagUnit: "messages" },
    ],
  };
}

/** Undefined where that cannot be the name of a device. */
function namedIn(tenant: string, device: string): RefusedName | undefined {
  try {
    return { tenantId: checkedTenantId(tenant), deviceId: checkedDeviceId(device) };
  } catch {
    return undefined;
  }
}

function asksForAnswer({ reply }: Msg): boolean {
  return reply !== undefined && reply !== "";
}

function failed(code: ErrorCode, message: string, retryAfterMs?: number): Answer {
  return { error: { code, message, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) } };
}
