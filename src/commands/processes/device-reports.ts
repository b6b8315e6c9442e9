/**
 * Turns what devices say of themselves into decisions: a configuration applied or failed, the firmware that they run,
 * online and offline. In order for each device, many devices at once. A report is acknowledged when its command is
 * accepted or finally refused; the wait before "offline" is kept by JetStream and so survives our restarts.
 */
import type { Db } from "mongodb";
import type { ConsumerMessages, JsMsg, NatsConnection } from "nats";
import type { DeviceCommand } from "../../domain/device/index.js";
import { follow } from "../../engines/follow.js";
import { Backoff } from "../../platform/backoff.js";
import { isFleetlogError, messageOf } from "../../platform/errors.js";
import { derivedId } from "../../platform/ids.js";
import type { HasHealth, PartHealth, Running } from "../../platform/lifecycle.js";
import type { Logger } from "../../platform/logger.js";
import { Counter } from "../../platform/metrics.js";
import type { Registry } from "../../platform/metrics.js";
import { reportConsumer, streams, subjects } from "../../platform/subjects.js";
import type { Commands } from "../index.js";
import type { DeviceActivity } from "./device-activity.js";
import { createDeviceHealthStore } from "./device-health.js";
import { createPresenceStore } from "./presence.js";
import { isTransient, rejectionOf } from "./refused-report.js";
import { originOf, readReport } from "./report.js";
import type { PresenceReport, Report } from "./report.js";
import { createSerialTasks } from "./serial-tasks.js";

export interface DeviceReportsDeps {
  readonly nc: NatsConnection;
  readonly db: Db;
  readonly commands: Commands;
  /** Who is still held by a gateway is not offline, whatever connection of its has ended. */
  readonly activity: Pick<DeviceActivity, "namedSince">;
  readonly logger: Logger;
  readonly metrics: Registry;
}

export interface DeviceReportsOptions {
  /** How long a device may be away before it is said to be offline. */
  readonly graceSeconds: number;
  /** After our start, until every gateway has told whom it holds. */
  readonly settleMs?: number;
}

const CONCURRENT = 64;
const TAKEN = 256;
/** Tries, some seconds: before the first gateway has started, there is no such stream. */
const PATIENCE = 6;

/** What to do with the message. `later`: give it again after so many ms. */
type Answer = "done" | "dropped" | { readonly later: number };

export function startDeviceReports(deps: DeviceReportsDeps, options: DeviceReportsOptions): Running & HasHealth {
  const { nc, db, commands, activity, logger, metrics } = deps;
  const { graceSeconds, settleMs = 12_000 } = options;
  const healths = createDeviceHealthStore(db);
  const presences = createPresenceStore(db);
  const tasks = createSerialTasks(CONCURRENT, TAKEN);
  const stopping = new AbortController();
  const startedAt = Date.now();
  let lag = 0;
  let trouble: string | undefined;
  const total = new Counter({
    name: "fleetlog_reports_total",
    help: "What devices said of themselves, by what became of it.",
    labelNames: ["kind", "outcome"],
    registers: [metrics],
  });

  async function act(message: JsMsg, report: Report): Promise<Answer> {
    const { tenantId, deviceId } = report;
    const id = `${tenantId}/${deviceId}`;
    // Its place in the stream and its time: the same however often it is given, and of no other message, in no other stream.
    const commandId = derivedId("report", message.subject, message.seq, message.info.timestampNanos);
    const give = async (command: DeviceCommand): Promise<Answer> => {
      const actor = { kind: "system", part: "device-reports" } as const;
      await commands.execute({ category: "device", tenantId, id: deviceId, command, commandId, actor });
      return "done";
    };
    const at = new Date().toISOString();
    switch (report.kind) {
      case "config": {
        const { version, status, error } = report;
        const data = error === undefined ? { version, status } : { version, status, error };
        return give({ type: "ReportConfiguration", at, data });
      }
      case "health": {
        await healths.save(tenantId, deviceId, report.at, report.report);
        const { firmwareVersion } = report.report;
        if (typeof firmwareVersion !== "string") return "done";
        return give({ type: "ReportFirmware", at, data: { firmwareVersion } });
      }
      case "presence": {
        const since = new Date(report.at).toISOString();
        if (report.online) {
          await presences.began(id, report.session, report.at);
          return give({ type: "ReportOnline", at, data: { since } });
        }
        const wait = await waitBeforeOffline(id, report);
        if (wait !== undefined) return wait;
        return give({ type: "ReportOffline", at, data: { since, reason: report.reason ?? "disconnected" } });
      }
    }
  }

  async function waitBeforeOffline(id: string, report: PresenceReport): Promise<Answer | undefined> {
    const now = Date.now();
    const due = Math.max(report.at + graceSeconds * 1_000, startedAt + settleMs);
    if (await presences.isOvertaken(id, report.session, report.at)) return "dropped";
    if (now < due) return { later: due - now };
    return activity.namedSince(report.tenantId, report.deviceId, report.at) ? "dropped" : undefined;
  }

  /** Again and again while an engine is away, so that what the device said later does not pass it. */
  async function handle(message: JsMsg): Promise<void> {
    const backoff = new Backoff({ initialMs: 100, maxMs: 5_000 });
    const { kind } = originOf(message);
    while (!stopping.signal.aborted) {
      try {
        const answer = await answerTo(message);
        total.inc({ kind, outcome: typeof answer === "string" ? answer : "waits" });
        if (typeof answer === "string") message.ack();
        else message.nak(answer.later);
        trouble = undefined;
        return;
      } catch (error) {
        if (trouble === undefined) logger.warn({ error: messageOf(error) }, "reports of devices wait; trying again");
        trouble = messageOf(error);
        message.working();
        await backoff.wait(stopping.signal).catch(() => undefined);
      }
    }
    message.nak();
  }

  /** Throws while an engine is away. */
  async function answerTo(message: JsMsg): Promise<Answer | "refused"> {
    try {
      return await act(message, readReport(message));
    } catch (error) {
      if (isTransient(error)) throw error;
      const { tenantId, deviceId, kind } = originOf(message);
      if (!isFleetlogError(error)) {
        logger.error({ tenantId, deviceId, kind, error: messageOf(error) }, "a report cannot be acted upon");
      }
      const { id, data } = rejectionOf(error, message);
      await nc.jetstream().publish(subjects.rejection(tenantId, deviceId), data, { msgID: id });
      return "refused";
    }
  }

  async function open(): Promise<ConsumerMessages> {
    const consumer = await nc.jetstream().consumers.get(streams.reports, reportConsumer);
    return consumer.consume({ max_messages: TAKEN, abort_on_missing_resource: true });
  }

  async function read(messages: ConsumerMessages, goes: () => void): Promise<void> {
    goes();
    for await (const message of messages) {
      // Given back at once, or they would be behind everything newer when `ack_wait` is over.
      if (stopping.signal.aborted) {
        message.nak();
        continue;
      }
      lag = message.info.pending;
      const { tenantId, deviceId } = originOf(message);
      await tasks.add(`${tenantId}/${deviceId}`, () => handle(message));
    }
  }

  const following = follow({
    logger,
    open,
    read,
    waits: "the reports of devices do not come; trying again",
    goesAgain: "the reports of devices come again",
    patience: PATIENCE,
  });
  let ended: Promise<void> | undefined;

  async function stop(): Promise<void> {
    // Those under way are finished while the engines answer; those that wait for one are given back.
    stopping.abort();
    await following.stop();
    await tasks.idle();
  }

  return {
    stop: () => (ended ??= stop()),
    health(): readonly PartHealth[] {
      const base = { name: "device-reports", lag, lagUnit: "messages" as const };
      const detail = following.trouble ?? trouble;
      return [detail === undefined ? { ...base, state: "up" } : { ...base, state: "degraded", detail }];
    },
  };
}
