/**
 * The processor: frames in, alerts out. What it promises: an alert that the rules and the readings call for is raised
 * once, whoever is killed when. It rests on three things: frames are judged in the stream's order; a state is stored
 * with the transitions that it led to and that are not accepted yet, and only then are its frames acknowledged; and an
 * alert's id follows from its rule, its device and when it began, so that telling of it twice is telling of it once.
 */
import type { Db } from "mongodb";
import type { JetStreamManager, NatsConnection } from "nats";
import type { Commands } from "../commands/index.js";
import { ensureIngestStreams, feedFrames } from "../ingest/index.js";
import type { FrameFeed } from "../ingest/index.js";
import { Backoff } from "../platform/backoff.js";
import { messageOf } from "../platform/errors.js";
import type { HasHealth, PartHealth, Running } from "../platform/lifecycle.js";
import type { Logger } from "../platform/logger.js";
import type { Registry } from "../platform/metrics.js";
import { streams } from "../platform/subjects.js";
import type { AlertRuleDocument } from "../projections/index.js";
import { createAlertCommands } from "./alert-commands.js";
import { createProcessorMetrics } from "./metrics.js";
import { orderedFrames, readPlace } from "./ordered-frames.js";
import { Evaluation } from "./rules/evaluation.js";
import { startRuleSource } from "./rule-source.js";
import { createSnapshots } from "./snapshots.js";
import { createStateStore } from "./state-store.js";

export interface ProcessorDeps {
  readonly nc: NatsConnection;
  readonly db: Db;
  readonly commands: Commands;
  readonly alertRules: { allEnabled(): Promise<readonly AlertRuleDocument[]> };
  readonly logger: Logger;
  readonly metrics: Registry;
}

export interface ProcessorOptions {
  /** How long a state waits to be stored, and with it its frames to be acknowledged. */
  readonly snapshotMs?: number;
  /** Transitions that the event store has not accepted; beyond it no frame is taken. */
  readonly maxOwed?: number;
}

const CONSUMER = "processor";
const HOUSEKEEPING_MS = 5_000;

/** Begins at once and waits in the background for whatever is away; `health` says what that is. One at a time. */
export function startProcessor(deps: ProcessorDeps, options: ProcessorOptions = {}): Running & HasHealth {
  const { nc, db, commands, alertRules, logger, metrics } = deps;
  const { snapshotMs = 1_000, maxOwed = 10_000 } = options;
  const stopping = new AbortController();
  const store = createStateStore(db);
  let feed: FrameFeed | undefined;
  let lag = 0;
  let reading: "starting" | "up" | { readonly trouble: string } = "starting";
  let ruleTrouble: string | undefined;
  const waiting: (() => void)[] = [];

  const evaluation = new Evaluation({
    onTransition: (transition) => {
      counters.transition(transition);
      alerts.send(transition);
    },
  });
  const counters = createProcessorMetrics(metrics, () => {
    return { lag, rules: evaluation.rules.size, watched: evaluation.watches.size, owed: evaluation.watches.owed };
  });
  const alerts = createAlertCommands({
    commands,
    logger,
    onSettled: (transition, outcome) => {
      evaluation.watches.settled(transition);
      counters.settled(transition, outcome);
      if (evaluation.watches.owed < maxOwed) wake();
    },
  });
  const snapshots = createSnapshots({
    watches: evaluation.watches,
    store,
    logger,
    everyMs: snapshotMs,
    signal: stopping.signal,
    onWritten: (documents) => counters.snapshot(documents),
  });

  function wake(): void {
    for (const go of waiting.splice(0)) go();
  }

  async function room(): Promise<void> {
    while (evaluation.watches.owed >= maxOwed && !stopping.signal.aborted) {
      await new Promise<void>((resolve) => waiting.push(resolve));
    }
    await snapshots.room();
  }

  /** Until stopped: does `step`, and again after a while when it fails. */
  async function persistently<T>(what: string, step: () => Promise<T>): Promise<T> {
    const backoff = new Backoff({ initialMs: 100, maxMs: 5_000 });
    for (;;) {
      stopping.signal.throwIfAborted();
      try {
        return await step();
      } catch (error) {
        stopping.signal.throwIfAborted();
        reading = { trouble: `${what}: ${messageOf(error)}` };
        logger.warn({ error: messageOf(error) }, `${what}; trying again`);
        await backoff.wait(stopping.signal);
      }
    }
  }

  /** The states, then the rules that judge them; no frame before both are there. */
  async function restore(manager: JetStreamManager): Promise<ReturnType<typeof startRuleSource>> {
    const documents = await persistently("the states of rules cannot be read", async () => {
      const { stream } = await readPlace(manager, CONSUMER);
      evaluation.watches.follow(stream);
      const found = [];
      for await (const document of store.load()) found.push(document);
      return found;
    });
    for (const document of documents) evaluation.restore(document);
    return startRuleSource({
      nc,
      alertRules,
      logger,
      onRule: (document) => evaluation.putRule(document),
      onRules: (rules, heard) => evaluation.replaceRules(rules, heard),
    });
  }

  function onStream({ stream }: { readonly stream: string }): number {
    reading = "up";
    return evaluation.watches.follow(stream);
  }

  async function readFrames(): Promise<void> {
    feed = feedFrames({ nc, consumer: CONSUMER, logger });
    try {
      for await (const frame of orderedFrames({ nc, feed, logger, consumer: CONSUMER, onStream })) {
        if (frame.view !== undefined) {
          evaluation.evaluate(frame.sequence, frame.view);
          counters.frame(frame.view.lines, evaluation.takeCounts());
        }
        if (frame.message !== undefined) {
          lag = feed.pending;
          snapshots.hold(frame.message);
        }
        await room();
        if (stopping.signal.aborted) return;
      }
    } finally {
      feed.stop();
    }
  }

  async function keepHouse(manager: JetStreamManager): Promise<void> {
    const { num_pending, ack_floor } = await manager.consumers.info(streams.frames, CONSUMER);
    lag = num_pending;
    await snapshots.expire(ack_floor.stream_seq);
  }

  async function run(): Promise<void> {
    const manager = await persistently("JetStream does not answer", async () => {
      await ensureIngestStreams(nc);
      return nc.jetstreamManager();
    });
    const rules = await restore(manager);
    const housekeeping = setInterval(() => {
      ruleTrouble = rules.trouble;
      keepHouse(manager).catch((error: unknown) => logger.debug({ error: messageOf(error) }, "could not keep house"));
    }, HOUSEKEEPING_MS);
    try {
      await rules.loaded;
      await persistently("the frames cannot be read", readFrames);
    } finally {
      clearInterval(housekeeping);
      await rules.stop();
    }
  }

  const finished = run().catch((error: unknown) => {
    if (stopping.signal.aborted) return;
    reading = { trouble: messageOf(error) };
    logger.error({ error: messageOf(error) }, "the processor has ended");
  });
  let ended: Promise<void> | undefined;

  async function stop(): Promise<void> {
    stopping.abort(new Error("stopped"));
    feed?.stop();
    wake();
    await finished;
    await alerts.stop();
    await snapshots.stop();
  }

  return {
    stop: () => (ended ??= stop()),
    health(): readonly PartHealth[] {
      const base = { name: "processor", lag, lagUnit: "messages" as const };
      if (typeof reading === "object") return [{ ...base, state: "down", detail: reading.trouble }];
      const owing =
        alerts.trouble === undefined
          ? undefined
          : `${evaluation.watches.owed} changes of alerts wait: ${alerts.trouble}`;
      const detail = owing ?? snapshots.trouble ?? ruleTrouble;
      if (detail !== undefined) return [{ ...base, state: "degraded", detail }];
      return reading === "up"
        ? [{ ...base, state: "up" }]
        : [{ ...base, state: "down", detail: "waiting for the alert rules and their states" }];
    },
  };
}
