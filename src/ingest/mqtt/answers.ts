/**
 * What a device is told of its PUBLISHes once their outcome is there: PUBACK and PUBREC in the order of the messages, the
 * response that it asked for, or, where the protocol has no word for it, the end of its connection.
 */
import { errorTable } from "../../platform/errors.js";
import type { Outcome } from "../ingest.js";
import type { Refusal } from "../pipeline/refusal.js";
import { AckQueue } from "./ack-queue.js";
import type { Unacknowledged } from "./ack-queue.js";
import type { Delivery } from "./delivery.js";
import { ExactlyOnce } from "./exactly-once.js";
import type { Outgoing } from "./outgoing.js";
import type { Publish } from "./packets.js";
import { responseTo } from "./publish-claims.js";
import { publishReason, reasons } from "./reasons.js";
import type { SessionLife } from "./session-life.js";
import type { ReceivedId } from "./session-record.js";

export interface AnswersDeps {
  readonly outgoing: Outgoing;
  readonly delivery: Delivery;
  readonly life: SessionLife;
  /** QoS 2 messages of an earlier connection that are not released. */
  readonly received: readonly ReceivedId[];
  /** Has `flush` called before long. */
  readonly due: () => void;
}

/** PUBLISHes of one connection that wait for their acknowledgement, QoS 2 until PUBCOMP. Announced to MQTT 5 clients. */
export const RECEIVE_MAXIMUM = 1_024;

export class Answers {
  /** Of QoS 1. */
  readonly acks = new AckQueue();
  readonly #deps: AnswersDeps;
  // Made when first needed: most devices have none.
  #exactlyOnce: ExactlyOnce | undefined;

  constructor(deps: AnswersDeps) {
    this.#deps = deps;
    if (deps.received.length > 0) this.#exactlyOnce = this.#createExactlyOnce();
  }

  /** PUBLISHes whose PUBACK or PUBREC has not left. */
  get unacknowledged(): number {
    return this.acks.size + (this.#exactlyOnce?.pending ?? 0);
  }

  /** As many messages as a client of version 5 may have under way. */
  get isFull(): boolean {
    return this.acks.size + (this.#exactlyOnce?.held ?? 0) >= RECEIVE_MAXIMUM;
  }

  /** Of QoS 2. */
  get exactlyOnce(): ExactlyOnce {
    this.#exactlyOnce ??= this.#createExactlyOnce();
    return this.#exactlyOnce;
  }

  /** QoS 2 messages that are not released. */
  received(): readonly ReceivedId[] {
    return [...(this.#exactlyOnce?.ids() ?? [])];
  }

  /** Version 3.1.1 announces no maximum, and is held back instead; but what it does not release cannot be held back. */
  isBeyondMaximum({ qos, messageId }: Publish): boolean {
    if (qos === 2 && this.#exactlyOnce?.holds(messageId) === true) return false;
    if (this.#deps.outgoing.version === 5) return this.isFull;
    return qos === 2 && (this.#exactlyOnce?.held ?? 0) >= RECEIVE_MAXIMUM;
  }

  /** The outcome of a message is there. `entry`: its place among the PUBACKs; none for QoS 0. */
  answered(entry: Unacknowledged | undefined, outcome: Outcome): void {
    const { life, due } = this.#deps;
    if (life.isOver) return;
    if (entry !== undefined) {
      entry.outcome = outcome;
      due();
    } else if (outcome.kind === "failed") {
      // QoS 0 has no acknowledgement to withhold; that it was lost is counted, and the device may as well know.
      life.close("not-stored", reasons.serverUnavailable, outcome.error.message);
    }
    this.closeIfForbidden(outcome);
  }

  /** MQTT 3.1.1 has no other way to say no (section 3.3.5). */
  closeIfForbidden(outcome: Outcome): void {
    const { life, outgoing } = this.#deps;
    if (life.isOver || outcome.kind !== "refused" || outgoing.version === 5) return;
    const { code, message } = outcome.refusal;
    if (code === "TOPIC_NOT_ALLOWED") life.close("topic", errorTable[code].mqtt, message);
  }

  /** To the response topic of a PUBLISH. */
  respond(topic: string, correlationData: Buffer | undefined, outcome: Outcome): void {
    const { life, delivery } = this.#deps;
    if (life.isOver) return;
    const properties = correlationData === undefined ? {} : { correlationData };
    delivery.sendSubscribed(topic, responseTo(outcome), properties);
  }

  /** Sends the PUBACKs and PUBRECs that are due, all PUBACKs in one write. */
  flush(): void {
    const { outgoing, life } = this.#deps;
    let plain: number[] = [];
    for (let entry = this.acks.shiftAnswered(); entry !== undefined; entry = this.acks.shiftAnswered()) {
      const { messageId, others, outcome } = entry;
      if (outcome?.kind === "failed") {
        outgoing.sendPubacks(plain);
        life.close("not-stored", reasons.serverUnavailable, outcome.error.message);
        return;
      }
      if (outcome?.kind === "refused" && outgoing.version === 5) {
        outgoing.sendPubacks(plain);
        plain = [];
        outgoing.send({ cmd: "puback", messageId, ...this.#refused(outcome.refusal) });
      } else {
        plain.push(messageId, ...others);
      }
    }
    outgoing.sendPubacks(plain);
    if (this.#exactlyOnce !== undefined) this.#flushPubrecs(this.#exactlyOnce);
  }

  end(): void {
    this.#exactlyOnce?.end();
  }

  #flushPubrecs(exactlyOnce: ExactlyOnce): void {
    const { outgoing, life } = this.#deps;
    for (let entry = exactlyOnce.shiftAnswered(); entry !== undefined; entry = exactlyOnce.shiftAnswered()) {
      const { messageId, outcome } = entry;
      if (outcome?.kind === "failed") {
        life.close("not-stored", reasons.serverUnavailable, outcome.error.message);
        return;
      }
      if (outcome?.kind === "refused" && outgoing.version === 5) {
        exactlyOnce.refused(messageId);
        outgoing.send({ cmd: "pubrec", messageId, ...this.#refused(outcome.refusal) });
      } else {
        outgoing.send({ cmd: "pubrec", messageId });
      }
    }
  }

  #refused({ code, message }: Refusal): { readonly reasonCode: number } {
    return { reasonCode: publishReason(errorTable[code].mqtt), ...this.#deps.outgoing.reason(message) };
  }

  #createExactlyOnce(): ExactlyOnce {
    const { life, outgoing, received, due } = this.#deps;
    return new ExactlyOnce(
      {
        keep: life.durable === undefined ? undefined : (saved) => life.keep(saved),
        lost: (problem) => life.lost(problem),
        pubcomp: (messageId, reasonCode) => {
          if (life.isOver) return;
          outgoing.send({ cmd: "pubcomp", messageId, ...(outgoing.version === 5 ? { reasonCode } : {}) });
        },
        protocolError: (message) => life.protocolError(reasons.protocolError, message),
        answered: due,
      },
      received,
    );
  }
}
