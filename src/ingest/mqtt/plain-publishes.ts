/**
 * The way of all but every packet that a busy gateway gets: PUBLISH with QoS 1, nothing but its payload, on the device's own
 * telemetry topic. It is taken from its bytes into the frame without an object of its own, and those of one frame are
 * answered together. Whatever is not of that form, or not plain inside, goes the ordinary way, as if this were not here.
 */
import type { DeviceAccess } from "../registry/device-access.js";
import type { Ingest, Outcome } from "../ingest.js";
import type { Run } from "../frames/frame-batcher.js";
import type { Published } from "../jetstream/publisher.js";
import { upTopic } from "../topics.js";
import type { AckQueue, Unacknowledged } from "./ack-queue.js";
import type { Version } from "./packets.js";

/** PUBLISH, QoS 1, neither a duplicate nor retained. */
const HEADER = 0x32;
const STORED: Outcome = { kind: "stored", readings: 1 };

export class PlainPublishes implements Run {
  frame = -1;
  readonly #ingest: Ingest;
  readonly #acks: AckQueue;
  readonly #answered: (entry: Unacknowledged, outcome: Outcome) => void;
  /** As the packet has it: two bytes of length, then the text. */
  readonly #topic: Buffer;
  #entry: Unacknowledged | undefined;
  #messageId = 0;

  constructor(
    ingest: Ingest,
    { tenantId, deviceId }: DeviceAccess,
    acks: AckQueue,
    answered: (entry: Unacknowledged, outcome: Outcome) => void,
  ) {
    this.#ingest = ingest;
    this.#acks = acks;
    this.#answered = answered;
    const topic = upTopic(tenantId, deviceId, "telemetry");
    this.#topic = Buffer.from(`\0${String.fromCharCode(topic.length)}${topic}`, "latin1");
  }

  /** Whether it was taken. */
  take(packet: Buffer, version: Version, access: DeviceAccess): boolean {
    if (packet[0] !== HEADER) return false;
    let at = 1;
    while ((packet[at] ?? 0) >= 0x80) at += 1;
    at += 1;
    const topic = this.#topic;
    const idAt = at + topic.length;
    // From the end, where topics differ.
    for (let index = topic.length - 1; index >= 0; index -= 1) if (topic[index] !== packet[at + index]) return false;
    const messageId = ((packet[idAt] ?? 0) << 8) | (packet[idAt + 1] ?? 0);
    let from = idAt + 2;
    if (messageId === 0) return false;
    if (version === 5) {
      if (packet[from] !== 0) return false;
      from += 1;
    }
    if (from >= packet.length) return false;
    this.#messageId = messageId;
    const before = this.#entry;
    if (!this.#ingest.acceptPlain("mqtt", access, packet, from, packet.length, this)) return false;
    // Otherwise it has begun a run of its own.
    if (before !== undefined && this.#entry === before) this.#acks.join(before, messageId);
    return true;
  }

  get isOpen(): boolean {
    return this.#entry !== undefined && this.#acks.isNewest(this.#entry);
  }

  begin(): Published {
    const entry = this.#acks.push(this.#messageId);
    this.#entry = entry;
    return (error) => {
      if (this.#entry === entry) this.#entry = undefined;
      this.#answered(entry, error === undefined ? STORED : { kind: "failed", error });
    };
  }
}
