/**
 * What a connected client says, in its own name, in that of devices that it is the gateway of, or in a foreign dialect;
 * and what the platform owes it under which topic. The protocol session under it only carries.
 */
import { FleetlogError, isFleetlogError, messageOf } from "../../platform/errors.js";
import type { Format } from "../codecs/format.js";
import type { Door } from "../counters.js";
import type { DeviceAccess } from "../registry/device-access.js";
import type { Done, Presence, Source } from "../ingest.js";
import { refusal } from "../pipeline/refusal.js";
import type { Refusal } from "../pipeline/refusal.js";
import { classifyFilter, classifyTopic, notYours, upTopic } from "../topics.js";
import type { TopicMeaning, UpTopic } from "../topics.js";
import { Children } from "./children.js";
import { EdgeNode } from "./edge-node.js";
import { Lane } from "./lane.js";
import { owedConfigurations } from "./owed.js";
import type { Owed } from "./owed.js";
import type { SpeakerDeps, Speaking } from "./speaking.js";
import { ThingsBoard } from "./thingsboard.js";

/** Messages that wait, in order, behind one whose device is being looked up. What MQTT lets wait for acknowledgement is less. */
const MAX_WAITING = 2_048;

export class Speaker implements Speaking {
  readonly deps: SpeakerDeps;
  #access: DeviceAccess;
  readonly #telemetryTopic: string;
  #isOver = false;
  // Made when first needed: most clients speak for themselves.
  #children: Children | undefined;
  #lane: Lane | undefined;
  #edgeNode: EdgeNode | undefined;
  #thingsBoard: ThingsBoard | undefined;

  constructor(deps: SpeakerDeps, access: DeviceAccess) {
    this.deps = deps;
    this.#access = access;
    this.#telemetryTopic = upTopic(access.tenantId, access.deviceId, "telemetry");
  }

  access(): DeviceAccess {
    return this.#access;
  }

  get children(): Children {
    this.#children ??= new Children(this.deps, this.deps.lastHeardAt);
    return this.#children;
  }

  /**
   * Takes a message in. `format` is what the message says of its form beside its topic, whose word comes first.
   * `receivedAt` is set for one that came before.
   */
  publish(topic: string, payload: Buffer, format: Format | undefined, done: Done, receivedAt?: number): void {
    const access = this.#access;
    const { ingest, door } = this.deps;
    // Nearly all that comes: it needs no second look.
    if (topic === this.#telemetryTopic) {
      ingest.accept("telemetry", access, payload, sourceOf(door, topic, format, receivedAt), done);
      return;
    }
    const meaning = classifyTopic(topic, access.tenantId, access.deviceId);
    if ("code" in meaning) {
      ingest.refuse(access, meaning, payload, { door, topic }, done);
      return;
    }
    if (meaning.about === "self") {
      const form = meaning.format ?? format;
      ingest.accept(meaning.kind, access, payload, sourceOf(door, topic, form, receivedAt), done);
      return;
    }
    this.#lane ??= new Lane(MAX_WAITING);
    const source = sourceOf(door, topic, undefined, receivedAt);
    if (this.#lane.run(() => this.#foreign(meaning, source, payload, format, done))) return;
    const full = refusal(
      "LIMIT_EXCEEDED",
      `${MAX_WAITING} messages wait for the registry already: send it again later`,
    );
    const form = meaning.about === "other" ? childForm(meaning.device, meaning.kind, meaning.format ?? format) : {};
    ingest.refuse(access, full, payload, { door, topic, ...form }, done);
  }

  /** A last will. What is not about the client itself, such as a Sparkplug death, is said by the connection's end already. */
  lastWord(topic: string, payload: Buffer, format: Format | undefined, done: Done, receivedAt?: number): void {
    const meaning = classifyTopic(topic, this.#access.tenantId, this.#access.deviceId);
    if ("code" in meaning || meaning.about === "self") this.publish(topic, payload, format, done, receivedAt);
  }

  /** Whether a subscription is granted; a promise where another device must be looked up. Rejects when the registry does not answer. */
  checkFilter(filter: string): Refusal | undefined | Promise<Refusal | undefined> {
    const access = this.#access;
    const meaning = classifyFilter(filter, access.tenantId, access.deviceId);
    if ("code" in meaning) return meaning;
    if (meaning.about === "self") return undefined;
    if (meaning.about === "all") return this.children.addAll(access).then(() => undefined);
    const judge = (child: DeviceAccess | Refusal): Refusal | undefined => {
      if ("code" in child) return notYours(filter, access.deviceId);
      // From now on it hears what that device is owed.
      this.children.add(child);
      return undefined;
    };
    const child = this.children.byId(access, meaning.device);
    return child instanceof Promise ? child.then(judge) : judge(child);
  }

  /** A subscription was granted: some dialects expect to be told something at once. */
  subscribed(filter: string): void {
    if (filter.includes("STATE/")) this.#sparkplug().subscribedToState(filter);
  }

  /** The configurations that the client, or one of its devices, has not confirmed. */
  owed(): Iterable<Owed> {
    return owedConfigurations(this.#access, this.#children);
  }

  /** The client's own device has changed; also called now and then to have the children looked at again. */
  refresh(access: DeviceAccess): void {
    this.#access = access;
    this.#children?.recheck(access);
  }

  /** Another device has changed. True when it is one of this connection's, so that something may be owed. */
  childChanged(access: DeviceAccess): boolean {
    if (this.#children?.refresh(access) !== true) return false;
    this.#children.recheck(this.#access);
    return true;
  }

  /** Its devices go with it. `undefined`: our own end, which says nothing of anybody. */
  end(reason: NonNullable<Presence["reason"]> | undefined): void {
    this.#isOver = true;
    this.#lane?.clear();
    this.#children?.end(reason);
  }

  /** Never rejects. */
  #foreign(
    meaning: Exclude<TopicMeaning, { readonly about: "self" }>,
    source: Source,
    payload: Buffer,
    format: Format | undefined,
    done: Done,
  ): void | Promise<void> {
    if (this.#isOver) return undefined;
    try {
      const work = this.#dispatch(meaning, payload, source, format, done);
      return work === undefined ? undefined : this.#answered(work, done);
    } catch (error) {
      return this.#failed(error, done);
    }
  }

  async #answered(work: Promise<void>, done: Done): Promise<void> {
    try {
      await work;
    } catch (error) {
      this.#failed(error, done);
    }
  }

  /** Never throws: what waits behind it goes on. */
  #failed(error: unknown, done: Done): void {
    const { logger } = this.deps;
    if (isFleetlogError(error)) {
      logger.debug({ error: messageOf(error.cause) }, "a gateway's message came while the registry was away");
      done({ kind: "failed", error });
      return;
    }
    logger.error({ device: this.#access.deviceId, err: error }, "a message could not be handled");
    const defect = new FleetlogError(
      "INTERNAL",
      "the message could not be handled for a reason of ours; the log has it",
    );
    done({ kind: "failed", error: defect });
  }

  #dispatch(
    meaning: Exclude<TopicMeaning, { readonly about: "self" }>,
    payload: Buffer,
    source: Source,
    format: Format | undefined,
    done: Done,
  ): void | Promise<void> {
    switch (meaning.about) {
      case "other": {
        const form = meaning.format ?? format;
        const formed = form === undefined ? source : { ...source, format: form };
        return this.#speakFor(meaning.device, meaning.kind, payload, formed, done);
      }
      case "thingsboard":
        this.#thingsBoard ??= new ThingsBoard(this);
        return this.#thingsBoard.take(meaning, payload, source, done);
      case "sparkplug":
        return this.#sparkplug().take(meaning.topic, payload, source, done);
    }
  }

  #speakFor(device: string, kind: UpTopic, payload: Buffer, source: Source, done: Done): void | Promise<void> {
    const take = (child: DeviceAccess | Refusal): void => {
      if (this.#isOver) return;
      const { ingest } = this.deps;
      if ("code" in child) {
        const kept = { ...source, ...childForm(device, kind, source.format) };
        ingest.refuse(this.#access, child, payload, kept, done);
        return;
      }
      this.children.heard(child);
      ingest.accept(kind, child, payload, source, done);
    };
    const child = this.children.byId(this.#access, device);
    return child instanceof Promise ? child.then(take) : take(child);
  }

  #sparkplug(): EdgeNode {
    this.#edgeNode ??= new EdgeNode(this);
    return this.#edgeNode;
  }
}

/** Once the device is registered and the gateway's, what was said for it can be taken in. */
function childForm(child: string, topic: UpTopic, format: Format | undefined): Pick<Source, "form"> {
  return { form: { as: "message", topic, child, ...(format === undefined ? {} : { format }) } };
}

/** Written out, because spreading objects together is felt at a hundred thousand messages a second. */
function sourceOf(door: Door, topic: string, format: Format | undefined, receivedAt: number | undefined): Source {
  if (receivedAt === undefined) return format === undefined ? { door, topic } : { door, topic, format };
  return format === undefined ? { door, topic, receivedAt } : { door, topic, format, receivedAt };
}
