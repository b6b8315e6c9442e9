/**
 * The Sparkplug session of one connection (Sparkplug 3.0, chapters 4 to 6). The device that has logged in is the edge node,
 * whatever group and node it calls itself; the Sparkplug devices below it are devices that it is the gateway of. Births say
 * what the aliases mean, for as long as the connection lasts: what comes without one is refused, and a rebirth asked for.
 */
import { isControl, isScalar, measurementsOf, readSparkplug, rebirthRequest, valueOf } from "../codecs/sparkplug.js";
import type { SparkplugMetric, SparkplugPayload, TimedValue } from "../codecs/sparkplug.js";
import { metricNameOf } from "../codecs/metric-name.js";
import type { DeviceAccess } from "../registry/device-access.js";
import type { Done, Source } from "../ingest.js";
import { refusal } from "../pipeline/refusal.js";
import type { Refusal } from "../pipeline/refusal.js";
import type { SparkplugTopic } from "../topics.js";
import { quotedName } from "./speaks-for.js";
import type { Speaking } from "./speaking.js";

/** What one metric of a birth means. */
interface Known {
  readonly name: string;
  readonly metric: string;
  readonly datatype: number | undefined;
  /** Its values are no readings of the device type's: left out, and named once, at the birth. */
  readonly isLeftOut: boolean;
}

interface Births {
  readonly byAlias: ReadonlyMap<number | bigint, Known>;
  readonly byName: ReadonlyMap<string, Known>;
}

/** Metrics that the births of one connection may name: what is kept of them stays below some 20 MB. */
const MAX_KNOWN = 100_000;
/** Between two requests for a rebirth that nothing has come of. */
const REBIRTH_EVERY_MS = 5_000;
const STORED_NOTHING = { kind: "stored", readings: 0 } as const;

export class EdgeNode {
  readonly #speaking: Speaking;
  #group: string | undefined;
  #node: string | undefined;
  /** The last number of the node's messages; `undefined` before its birth. */
  #seq: number | undefined;
  /** The number of the node's newest birth, which its death repeats. */
  #bdSeq: unknown;
  /** Of the node itself under "", of its devices under their names. */
  readonly #births = new Map<string, Births>();
  #known = 0;
  #askedAt = 0;

  constructor(speaking: Speaking) {
    this.#speaking = speaking;
  }

  /** A promise where a device must be looked up; it rejects when the registry does not answer. */
  take(topic: SparkplugTopic, payload: Buffer, source: Source, done: Done): void | Promise<void> {
    const self = this.#speaking.access();
    const { ingest } = this.#speaking.deps;
    const foreign = this.#checkNode(topic);
    if (foreign !== undefined) return ingest.refuse(self, foreign, payload, source, done);
    const read = readSparkplug(payload);
    if ("code" in read) return ingest.refuse(self, read, payload, source, done);
    this.#checkSequence(topic, read);
    const { device } = topic;
    if (device === undefined) return this.#said(topic, read, self, undefined, payload, source, done);
    const child = this.#speaking.children.byName(self, device);
    const taken = (found: DeviceAccess | Refusal): void => {
      if ("code" in found) ingest.refuse(self, found, payload, source, done);
      else this.#said(topic, read, found, device, payload, source, done);
    };
    return child instanceof Promise ? child.then(taken) : taken(child);
  }

  /** We are the host application that edge nodes may be told to wait for (section 6.4.25). */
  subscribedToState(filter: string): void {
    const host = filter.slice(filter.indexOf("STATE/") + "STATE/".length);
    if (host === "" || host.includes("+")) return;
    const isCurrent = filter.startsWith("spBv1.0/");
    const word = isCurrent ? JSON.stringify({ online: true, timestamp: Date.now() }) : "ONLINE";
    this.#speaking.deps.send(filter, word);
  }

  /** One connection is one edge node: its session ends with it. */
  #checkNode({ group, node }: SparkplugTopic): Refusal | undefined {
    this.#group ??= group;
    this.#node ??= node;
    if (group === this.#group && node === this.#node) return undefined;
    return refusal(
      "FORBIDDEN",
      `this connection is the edge node ${quotedName(`${this.#group}/${this.#node}`)}: open another for ${quotedName(`${group}/${node}`)}`,
    );
  }

  /** Sections 6.4.4 ff.: a birth of the node begins, all others count on, 0 follows 255; a death of the node has none. */
  #checkSequence({ type }: SparkplugTopic, { seq }: SparkplugPayload): void {
    if (type === "NDEATH") return;
    if (type === "NBIRTH") {
      this.#seq = seq ?? 0;
      return;
    }
    const expected = this.#seq === undefined ? undefined : (this.#seq + 1) % 256;
    if (seq !== undefined) this.#seq = this.#seq === undefined ? undefined : seq;
    // Something is missing: a value, or a birth whose aliases would be misread.
    if (seq === undefined || seq !== expected) this.#askForRebirth();
  }

  #said(
    topic: SparkplugTopic,
    read: SparkplugPayload,
    access: DeviceAccess,
    device: string | undefined,
    payload: Buffer,
    source: Source,
    done: Done,
  ): void {
    const { children } = this.#speaking;
    switch (topic.type) {
      case "NBIRTH":
        // It says everything anew: the devices' births follow.
        this.#births.clear();
        this.#known = 0;
        this.#bdSeq = bdSeqOf(read);
        children.allGone("disconnected");
        return this.#born("", read, access, payload, source, done);
      case "DBIRTH":
        children.heard(access, device);
        return this.#born(device ?? "", read, access, payload, source, done);
      case "NDATA":
        return this.#data("", read, access, payload, source, done);
      case "DDATA":
        return this.#data(device ?? "", read, access, payload, source, done);
      case "NDEATH":
        // Of an earlier birth (section 6.4.24): the node lives.
        if (this.#bdSeq !== undefined && bdSeqOf(read) !== this.#bdSeq) return done(STORED_NOTHING);
        this.#births.clear();
        this.#known = 0;
        this.#seq = undefined;
        children.allGone("disconnected");
        return done(STORED_NOTHING);
      case "DDEATH":
        this.#forget(device ?? "");
        children.gone(access);
        return done(STORED_NOTHING);
    }
  }

  #born(
    whose: string,
    read: SparkplugPayload,
    access: DeviceAccess,
    payload: Buffer,
    source: Source,
    done: Done,
  ): void {
    const { ingest } = this.#speaking.deps;
    this.#forget(whose);
    if (this.#known + read.metrics.length > MAX_KNOWN) {
      const limit = `the births of a connection name at most ${MAX_KNOWN} metrics: spread the devices over several edge nodes`;
      return ingest.refuse(access, refusal("LIMIT_EXCEEDED", limit), payload, source, done);
    }
    const byAlias = new Map<number | bigint, Known>();
    const byName = new Map<string, Known>();
    const leftOut: string[] = [];
    for (const { name, alias, datatype } of read.metrics) {
      if (name === undefined) continue;
      const metric = metricNameOf(name);
      const isLeftOut = !isControl(name) && !isTaken(access, metric, datatype);
      const known = { name, metric, datatype, isLeftOut };
      if (isLeftOut) leftOut.push(name);
      byName.set(name, known);
      if (alias !== undefined) byAlias.set(alias, known);
    }
    this.#births.set(whose, { byAlias, byName });
    this.#known += byName.size;
    if (leftOut.length > 0) {
      const names = leftOut.slice(0, 10).map(quotedName).join(", ");
      const more = leftOut.length > 10 ? ` and ${leftOut.length - 10} more` : "";
      const why = `the birth names metrics that are left out, because they are no single values or the device type ${access.deviceType} does not have them: ${names}${more}`;
      // Beside the readings, which are taken: a note for whoever looks for them, once for each birth.
      ingest.refuse(access, refusal("UNKNOWN_METRIC", why), payload, source, () => {});
    }
    this.#data(whose, read, access, payload, source, done);
  }

  #data(
    whose: string,
    read: SparkplugPayload,
    access: DeviceAccess,
    payload: Buffer,
    source: Source,
    done: Done,
  ): void {
    const { deps, children } = this.#speaking;
    const births = this.#births.get(whose);
    const values: TimedValue[] = [];
    for (const [index, metric] of read.metrics.entries()) {
      const known = births === undefined ? undefined : knownAs(births, metric);
      if (known === undefined) {
        this.#askForRebirth();
        const why = `metrics[${index}]: ${births === undefined ? "nothing was born yet" : "its birth does not name it"}, so that it cannot be understood: send a birth first`;
        return deps.ingest.refuse(access, refusal("MALFORMED_PAYLOAD", why), payload, source, done);
      }
      if (known.isLeftOut || isControl(known.name)) continue;
      const value = valueOf(metric, metric.datatype ?? known.datatype);
      if (value === undefined) continue;
      values.push({ metric: known.metric, timestamp: metric.timestamp ?? read.timestamp, value });
    }
    if (whose !== "") children.heard(access, whose);
    if (values.length === 0) return done(STORED_NOTHING);
    return deps.ingest.acceptMeasurements(access, measurementsOf(values, "metrics"), payload, source, done);
  }

  #forget(whose: string): void {
    this.#known -= this.#births.get(whose)?.byName.size ?? 0;
    this.#births.delete(whose);
  }

  /** Heard only where the node has subscribed to its commands, as all must (section 6.4.23). */
  #askForRebirth(): void {
    const now = Date.now();
    if (now - this.#askedAt < REBIRTH_EVERY_MS) return;
    this.#askedAt = now;
    this.#speaking.deps.send(`spBv1.0/${this.#group ?? ""}/NCMD/${this.#node ?? ""}`, rebirthRequest(now));
  }
}

function bdSeqOf({ metrics }: SparkplugPayload): unknown {
  const metric = metrics.find(({ name }) => name === "bdSeq");
  return metric === undefined ? undefined : valueOf(metric, metric.datatype);
}

function knownAs({ byAlias, byName }: Births, { name, alias }: SparkplugMetric): Known | undefined {
  if (name !== undefined && name !== "") return byName.get(name);
  return alias === undefined ? undefined : byAlias.get(alias);
}

function isTaken({ type }: DeviceAccess, metric: string, datatype: number | undefined): boolean {
  return isScalar(datatype) && (type.metrics === undefined || type.metrics.has(metric));
}
