/**
 * Hands every stored reading to the integrators, as a plain NATS message on `fleetlog.{tenant}.telemetry.{device}`.
 *
 * Most devices have no listener at most times, and a message for nobody costs as much as one that is heard. NATS tells who
 * publishes with a reply subject at once when nobody listens. So of a device that nobody is known to listen to, one reading
 * in a round goes out at once; those behind it are held until the round's end, when the first of them goes out as a
 * question. No listener: the others are dropped, and while there are several in each round, all of a round are held. A
 * listener: they follow, in order, and from then on every reading goes out as it comes. Whoever has subscribed misses
 * nothing that came afterwards, and waits for it a round at most.
 */
import { createInbox } from "nats";
import type { NatsConnection } from "nats";
import { messageOf } from "../platform/errors.js";
import type { HasHealth, PartHealth, Running } from "../platform/lifecycle.js";
import type { Logger } from "../platform/logger.js";
import { subjects } from "../platform/subjects.js";
import { feedFrames } from "./frames/frame-feed.js";
import type { Frame } from "./frames/frame-feed.js";
import type { FrameGroup, FrameView } from "./frames/frame.js";
import type { Reading } from "./reading.js";

/** What integrators receive (JSON). At least once: after a crash some readings come again. */
export interface RelayedReading {
  readonly ts: number;
  readonly receivedAt: number;
  readonly deviceType: string;
  readonly values: Readonly<Record<string, number | string | boolean>>;
  /** By metric, where a value is doubtful: its flags, joined by "|". */
  readonly quality?: Readonly<Record<string, string>>;
}

export interface RelayDeps {
  readonly nc: NatsConnection;
  readonly logger: Logger;
}

/** The status of the message that NATS answers with when a subject has no subscriber. */
const NOBODY_LISTENS = 503;
/** A round: how long readings may be held, and how often a device with listeners is asked for them anew. */
const ROUND_MS = 100;
/** Frames of a round, up to a quarter of a megabyte each; with so many it ends early. */
const MAX_FRAMES = 128;
/** Devices known to have listeners. Beyond it the oldest is asked for anew, which costs a message and loses nothing. */
const MAX_HEARD = 100_000;
/** Devices known to have none. Beyond it the oldest has one reading in a round sent for nothing. */
const MAX_UNHEARD = 100_000;

/** What a round knows of a device. */
interface Course {
  readonly device: string;
  readonly subject: string;
  hasListeners: boolean;
  /** A question of this round says whether it has. */
  isAsked: boolean;
  /** Readings that nobody is known to wait for: runs of lines, from one of them on. */
  readonly held: { readonly view: FrameView; readonly group: FrameGroup; readonly skip: number }[];
}

export function startRelay({ nc, logger }: RelayDeps): Running & HasHealth {
  const feed = feedFrames({ nc, consumer: "relay", logger });
  const inbox = createInbox();
  const heard = new Set<string>();
  const unheard = new Set<string>();
  let frames: Frame[] = [];
  let courses = new Map<string, Course>();
  /** Of this round, by the number that they were asked under. */
  let questions: Course[] = [];
  let firstQuestion = 0;
  let timer: NodeJS.Timeout | undefined;
  let settling: Promise<void> | undefined;
  let trouble: string | undefined;

  const answers = nc.subscribe(`${inbox}.*`, {
    callback: (error, message) => {
      // Anything else is a listener's answer: a stream's acknowledgement, for one.
      if (error !== null || message.headers?.code !== NOBODY_LISTENS) return;
      const course = questions[Number(message.subject.slice(inbox.length + 1)) - firstQuestion];
      if (course !== undefined) course.hasListeners = false;
    },
  });
  const finished = run();

  async function run(): Promise<void> {
    for await (const frame of feed.frames) {
      // Not while a round ends: what is held of it goes first.
      if (settling !== undefined) await settling;
      frames.push(frame);
      try {
        for (const group of frame.view.groups()) relay(frame.view, group);
      } catch (error) {
        // Not acknowledged, so delivered again after `ack_wait`.
        frames.pop();
        trouble = messageOf(error);
        logger.warn({ sequence: frame.sequence, error: trouble }, "could not relay a frame; it will come again");
        if (nc.isClosed()) return;
      }
      timer ??= setTimeout(endRound, ROUND_MS);
      if (frames.length >= MAX_FRAMES) endRound();
    }
    await settling;
    endRound();
    await settling;
    answers.unsubscribe();
  }

  function relay(view: FrameView, group: FrameGroup): void {
    const known = courses.get(group.key);
    const course = known ?? begin(group);
    if (course.hasListeners) {
      publish(course, view, group, 0, known === undefined);
      return;
    }
    if (known === undefined && !unheard.has(group.key)) {
      const [alone] = view.readings(group);
      if (alone !== undefined) nc.publish(course.subject, relayed(alone));
      if (group.count > 1) course.held.push({ view, group, skip: 1 });
    } else {
      course.held.push({ view, group, skip: 0 });
    }
  }

  function begin({ key, tenantId, deviceId }: FrameGroup): Course {
    const subject = subjects.telemetry(tenantId, deviceId);
    const course = { device: key, subject, hasListeners: heard.has(key), isAsked: false, held: [] };
    courses.set(key, course);
    return course;
  }

  /** The lines of a group behind the first `skip`; the first that goes out is a question where one is due. */
  function publish(course: Course, view: FrameView, group: FrameGroup, skip: number, asks: boolean): void {
    let due = asks;
    for (const reading of view.readings(group, skip)) {
      if (due) {
        nc.publish(course.subject, relayed(reading), { reply: `${inbox}.${firstQuestion + questions.length}` });
        course.isAsked = true;
        questions.push(course);
        due = false;
      } else {
        nc.publish(course.subject, relayed(reading));
      }
    }
  }

  function endRound(): void {
    clearTimeout(timer);
    timer = undefined;
    settling ??= settle().finally(() => (settling = undefined));
  }

  /** Never rejects. The server answers each question before the flush that follows it. */
  async function settle(): Promise<void> {
    const taken = frames;
    const asked = courses;
    frames = [];
    courses = new Map();
    try {
      for (const course of asked.values()) askFor(course);
      await nc.flush();
      let isMore = false;
      for (const course of asked.values()) {
        remember(course);
        if (!course.hasListeners || course.held.length === 0) continue;
        isMore = true;
        for (const { view, group, skip } of course.held) publish(course, view, group, skip, false);
      }
      if (isMore) await nc.flush();
      for (const { message } of taken) message.ack();
      trouble = undefined;
    } catch (error) {
      // Not acknowledged, so delivered again after `ack_wait`.
      trouble = messageOf(error);
    }
    firstQuestion += questions.length;
    questions = [];
  }

  /** The first of what is held goes out, and what comes back says whether the others follow. */
  function askFor(course: Course): void {
    const [first] = course.held;
    if (first === undefined) return;
    const [reading] = first.view.readings(first.group, first.skip);
    if (reading === undefined) return;
    const isAlone = course.held.length === 1 && first.group.count - first.skip === 1;
    if (isAlone && unheard.has(course.device)) {
      // The only one of the round. To ask would cost more than to say it, and the next one goes out at once again.
      nc.publish(course.subject, relayed(reading));
      course.held.length = 0;
      return;
    }
    course.hasListeners = true;
    course.isAsked = true;
    nc.publish(course.subject, relayed(reading), { reply: `${inbox}.${firstQuestion + questions.length}` });
    questions.push(course);
    course.held[0] = { ...first, skip: first.skip + 1 };
  }

  function remember({ device, hasListeners, isAsked }: Course): void {
    heard.delete(device);
    unheard.delete(device);
    if (hasListeners) keep(heard, device, MAX_HEARD);
    else if (isAsked) keep(unheard, device, MAX_UNHEARD);
  }

  return {
    async stop() {
      feed.stop();
      await finished;
    },
    health: (): readonly PartHealth[] => {
      const base = { name: "relay", lag: feed.pending, lagUnit: "messages" as const };
      return [trouble === undefined ? { ...base, state: "up" } : { ...base, state: "degraded", detail: trouble }];
    },
  };
}

/** As the newest; the oldest goes when there are too many. */
function keep(devices: Set<string>, device: string, most: number): void {
  devices.add(device);
  for (const oldest of devices) {
    if (devices.size > most) devices.delete(oldest);
    else break;
  }
}

/** The text of a RelayedReading. By hand, as it is done for every reading that is heard; ids need no escaping. */
function relayed({ timestamp, receivedAt, deviceType, values, quality }: Reading): Uint8Array {
  const doubts = quality === undefined ? "" : `,"quality":${JSON.stringify(quality)}`;
  return Buffer.from(
    `{"ts":${timestamp},"receivedAt":${receivedAt},"deviceType":"${deviceType}","values":${JSON.stringify(values)}${doubts}}`,
  );
}
