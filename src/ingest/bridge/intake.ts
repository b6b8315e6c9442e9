/** What becomes of one message of the outside broker: whose it is, what it says, and whether that is stored. */
import { setTimeout as sleep } from "node:timers/promises";
import type { ErrorCode } from "../../platform/errors.js";
import { withDeadline } from "../../platform/deadline.js";
import { messageOf } from "../../platform/errors.js";
import type { Logger } from "../../platform/logger.js";
import { maySpeak } from "../registry/device-access.js";
import type { DeviceAccess } from "../registry/device-access.js";
import { Lanes } from "../gateways/lanes.js";
import type { Ingest, Outcome, RefusedName, Source } from "../ingest.js";
import { nobody } from "../registry/known-tenants.js";
import type { Measurement } from "../measurement.js";
import { refusal } from "../pipeline/refusal.js";
import type { Refusal } from "../pipeline/refusal.js";
import type { Registry } from "../registry/registry.js";
import type { ReplayForm } from "../rejections/rejection.js";
import { decodePicked, decodeValue } from "./decode.js";
import type { BridgeRule } from "./mapping.js";
import { fill } from "./topic-pattern.js";

export interface IntakeDeps {
  readonly ingest: Ingest;
  readonly registry: Pick<Registry, "peek" | "find" | "hasTenant">;
  readonly rules: readonly BridgeRule[];
  readonly logger: Logger;
  readonly maxPayloadBytes: number;
  /** No rule knows the topic. */
  readonly onUnmatched: (topic: string) => void;
}

export interface Intake {
  /** `done(undefined)`: the message is durable, taken or refused. Else why it is not: it must come again. */
  take(topic: string, payload: Buffer, done: (failure: string | undefined) => void): void;
}

interface Named {
  readonly tenantId: string;
  readonly deviceId: string;
}

const LOOK_UP_WITHIN_MS = 5_000;
/** A message waits so long for its limit, and is refused then: the broker has no other way to be slowed down for one device. */
const MAX_LIMIT_WAIT_MS = 2_000;
/** Of one device, behind one that is looked up or waits for its limit; the broker is given back what finds no place. */
const MAX_WAITING = 10_000;

export function createIntake({ ingest, registry, rules, logger, maxPayloadBytes, onUnmatched }: IntakeDeps): Intake {
  const lanes = new Lanes(MAX_WAITING);

  function take(topic: string, payload: Buffer, done: (failure: string | undefined) => void): void {
    for (const rule of rules) {
      const found = rule.pattern.match(topic);
      if (found === undefined) continue;
      const named = { tenantId: fill(rule.tenant, found), deviceId: fill(rule.device, found) };
      takeFor(rule, named, found, topic, payload, done);
      return;
    }
    onUnmatched(topic);
    done(undefined);
  }

  function takeFor(
    rule: BridgeRule,
    named: Named,
    found: Readonly<Record<string, string>>,
    topic: string,
    payload: Buffer,
    done: (failure: string | undefined) => void,
  ): void {
    const read = measurementsOf(rule, found, payload);
    const base: Source = { door: "bridge", topic };
    const source: Source = isFormat(rule.payload) ? { ...base, format: rule.payload } : base;
    const cameAt = performance.now();
    const answered = (outcome: Outcome): void => done(outcome.kind === "failed" ? outcome.error.message : undefined);
    const refuse = (whose: RefusedName, code: ErrorCode, message: string): void => {
      const form = formOf(rule, read);
      const kept = form === undefined ? source : { ...source, form };
      ingest.refuse(whose, refusal(code, message), payload, kept, answered);
    };
    const give = (access: DeviceAccess): void | Promise<void> => {
      if (!maySpeak(access)) {
        return refuse(
          access,
          "FORBIDDEN",
          `device ${access.deviceId} is ${access.status}: activate it, then replay this`,
        );
      }
      if (payload.length > maxPayloadBytes) {
        const most = `a payload has at most ${maxPayloadBytes} bytes, not ${payload.length}`;
        return refuse(access, "PAYLOAD_TOO_LARGE", most);
      }
      const wait = ingest.limits.take(access, payload.length);
      if (wait !== undefined) {
        if (performance.now() - cameAt + wait.waitMs > MAX_LIMIT_WAIT_MS) {
          return refuse(access, "LIMIT_EXCEEDED", wait.limit);
        }
        return sleep(wait.waitMs).then(() => give(access));
      }
      ingest.seen.heard(access.tenantId, access.deviceId);
      if (read === undefined) ingest.accept(rule.as, access, payload, source, answered);
      else if ("code" in read) ingest.refuse(access, read, payload, source, answered);
      else ingest.acceptMeasurements(access, read, payload, source, answered);
    };
    const begin = (): void | Promise<void> => {
      const known = registry.peek(named.tenantId, named.deviceId);
      return known === undefined ? whenKnown() : give(known);
    };
    /** Never rejects. */
    const whenKnown = async (): Promise<void> => {
      let who: DeviceAccess | RefusedName;
      try {
        who = await withDeadline(look(named), LOOK_UP_WITHIN_MS, "asking for the device");
      } catch (error) {
        logger.debug({ error: messageOf(error) }, "a bridged message came while the registry was away");
        return done(`the registry does not answer: ${messageOf(error)}`);
      }
      if ("status" in who) return give(who);
      if (areIds(named)) {
        const what = `there is no device ${named.deviceId} in tenant ${named.tenantId}: register it, then replay this`;
        return refuse(who, "NOT_FOUND", what);
      }
      const made = JSON.stringify(`${named.tenantId}/${named.deviceId}`);
      const what = `the mapping makes ${made} of the topic, which names no device: ids match [A-Za-z0-9_-]{1,64}`;
      return refuse(who, "TOPIC_NOT_ALLOWED", what);
    };
    if (lanes.run(`${named.tenantId}/${named.deviceId}`, begin)) return;
    done(`${MAX_WAITING} messages of device ${named.deviceId} wait already`);
  }

  /** The device, or under which names a refusal is kept: what is no id would break a subject. */
  async function look(named: Named): Promise<DeviceAccess | RefusedName> {
    const { tenantId, deviceId } = named;
    const access = areIds(named) ? await registry.find(tenantId, deviceId) : undefined;
    if (access !== undefined) return access;
    const isOurs = ID.test(tenantId) && (await registry.hasTenant(tenantId));
    return isOurs ? { tenantId, deviceId: tidy(deviceId) } : nobody;
  }

  return { take };
}

/** Undefined: as the device writes it, for the pipeline to decode. */
function measurementsOf(
  rule: BridgeRule,
  found: Readonly<Record<string, string>>,
  payload: Buffer,
): readonly Measurement[] | Refusal | undefined {
  switch (rule.payload) {
    case "value":
      return decodeValue(payload, fill(rule.metric ?? "", found));
    case "json":
      return decodePicked(payload, rule);
    default:
      return undefined;
  }
}

function isFormat(
  payload: BridgeRule["payload"],
): payload is Exclude<BridgeRule["payload"], "device" | "value" | "json"> {
  return !["device", "value", "json"].includes(payload);
}

/** How a message that this door refuses can be taken in once its cause is mended. */
function formOf(rule: BridgeRule, read: readonly Measurement[] | Refusal | undefined): ReplayForm | undefined {
  if (read === undefined) {
    return isFormat(rule.payload)
      ? { as: "message", topic: rule.as, format: rule.payload }
      : { as: "message", topic: rule.as };
  }
  return "code" in read ? undefined : { as: "measurements", measurements: read };
}

const ID = /^[A-Za-z0-9_-]{1,64}$/u;

function areIds({ tenantId, deviceId }: Named): boolean {
  return ID.test(tenantId) && ID.test(deviceId);
}

function tidy(text: string): string {
  return text.replace(/[^A-Za-z0-9_-]/gu, "_").slice(0, 64) || "_";
}
