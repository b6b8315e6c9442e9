/** PUBLISH of a device: judged by what MQTT and its limits allow, then said in its name. What it is told of it is the answers' part. */
import type { DeviceAccess } from "../registry/device-access.js";
import type { Speaker } from "../gateways/speaker.js";
import type { Done, Ingest } from "../ingest.js";
import type { Wait } from "../limits/limits.js";
import { refusal } from "../pipeline/refusal.js";
import type { Refusal } from "../pipeline/refusal.js";
import { upTopic } from "../topics.js";
import { RECEIVE_MAXIMUM } from "./answers.js";
import type { Answers } from "./answers.js";
import type { Outgoing } from "./outgoing.js";
import type { Publish } from "./packets.js";
import { PlainPublishes } from "./plain-publishes.js";
import { checkClaims } from "./publish-claims.js";
import { reasons } from "./reasons.js";
import type { SessionLife } from "./session-life.js";
import { hashOf } from "./session-record.js";
import { TopicAliases } from "./topic-aliases.js";

export interface UplinkDeps {
  readonly ingest: Ingest;
  readonly outgoing: Outgoing;
  readonly speaker: Speaker;
  readonly answers: Answers;
  readonly life: SessionLife;
  /** Stops reading, and has the packet handled again after that time: a limit is reached. */
  readonly holdFor: (waitMs: number, packet: Publish) => void;
}

/** A client that can be told, and would have to wait longer, is told. */
const MAX_SILENT_WAIT_MS = 5_000;

export class Uplink {
  readonly #deps: UplinkDeps;
  readonly #outgoing: Outgoing;
  readonly #answers: Answers;
  readonly #plain: PlainPublishes;
  // Made when first needed: most devices have none.
  #aliases: TopicAliases | undefined;

  constructor(deps: UplinkDeps) {
    const { ingest, outgoing, speaker, answers } = deps;
    this.#deps = deps;
    this.#outgoing = outgoing;
    this.#answers = answers;
    this.#plain = new PlainPublishes(ingest, speaker.access(), answers.acks, (entry, outcome) =>
      answers.answered(entry, outcome),
    );
  }

  /** A whole packet, if it is a PUBLISH in its plainest form; false: `publish` is to have it. */
  takePlain(packet: Buffer, access: DeviceAccess): boolean {
    const { version } = this.#outgoing;
    if (version === 5 && this.#answers.isFull) return false;
    return this.#plain.take(packet, version, access);
  }

  publish(packet: Publish): void {
    const { ingest, outgoing, answers, life, speaker } = this.#deps;
    const access = speaker.access();
    const { qos, payload } = packet;
    let { topic } = packet;
    if (topic === "" || packet.properties?.topicAlias !== undefined) {
      this.#aliases ??= new TopicAliases();
      const resolved = this.#aliases.resolve(packet);
      if (typeof resolved !== "string") return life.protocolError(resolved.code, resolved.reason);
      topic = resolved;
    }
    if (packet.retain && outgoing.version === 5) {
      const message = "retained messages are not kept: publish without retain";
      ingest.refuse(access, refusal("BAD_REQUEST", message), payload, { door: "mqtt", topic }, () => {});
      return life.protocolError(reasons.retainNotSupported, message);
    }
    if (qos > 0 && answers.isBeyondMaximum(packet)) {
      const message = `${RECEIVE_MAXIMUM} messages wait for their acknowledgement: that is the announced receive maximum`;
      return life.close("protocol", reasons.receiveMaximumExceeded, message);
    }
    const wait = ingest.limits.take(access, payload.length);
    if (wait !== undefined) return this.#limited(packet, topic, wait);
    return this.#take(packet, topic, undefined);
  }

  #limited(packet: Publish, topic: string, { waitMs, limit }: Wait): void {
    const canBeTold = packet.qos > 0 && this.#outgoing.version === 5;
    if (canBeTold && waitMs > MAX_SILENT_WAIT_MS) this.#take(packet, topic, refusal("LIMIT_EXCEEDED", limit));
    else this.#deps.holdFor(waitMs, packet);
  }

  #take(packet: Publish, topic: string, refused: Refusal | undefined): void {
    const { answers, speaker } = this.#deps;
    const { qos, messageId, payload, properties } = packet;
    if (qos === 2) {
      answers.exactlyOnce.publish(messageId, hashOf(topic, payload), (receivedAt, done) => {
        const told: Done = (outcome) => {
          done(outcome);
          answers.closeIfForbidden(outcome);
        };
        this.#store(packet, topic, refused, told, receivedAt);
      });
      return;
    }
    const entry = qos === 1 ? answers.acks.push(messageId) : undefined;
    const told: Done = (outcome) => answers.answered(entry, outcome);
    if (properties === undefined && refused === undefined) speaker.publish(topic, payload, undefined, told);
    else this.#store(packet, topic, refused, told, undefined);
  }

  /** The way of what is not plain: what the message says of itself is looked at, and its sender answered where it asks. */
  #store(
    packet: Publish,
    topic: string,
    refused: Refusal | undefined,
    told: Done,
    receivedAt: number | undefined,
  ): void {
    const { ingest, speaker, answers } = this.#deps;
    const access = speaker.access();
    const { payload, properties } = packet;
    const claims = refused ?? checkClaims(properties, payload, access);
    const answerTo = properties?.responseTopic;
    const done: Done =
      answerTo === undefined
        ? told
        : (outcome) => {
            told(outcome);
            answers.respond(answerTo, properties?.correlationData, outcome);
          };
    if ("code" in claims) {
      // Once the device's type has a codec for it, it can be taken in.
      const isTelemetry = refused === undefined && topic === upTopic(access.tenantId, access.deviceId, "telemetry");
      const form = isTelemetry ? { form: { as: "message", topic: "telemetry" } as const } : {};
      ingest.refuse(access, claims, payload, { door: "mqtt", topic, ...form }, done);
    } else speaker.publish(topic, payload, claims.format, done, receivedAt);
  }
}
