/**
 * Hands what tenants use to the durable record. What is sent is never an increase but the total of this process in this
 * hour: sent twice it changes nothing, and one that is lost is made good by the next. What a killed process has not sent yet,
 * a few seconds' worth, is lost.
 */
import { newId } from "../../platform/ids.js";
import type { Running } from "../../platform/lifecycle.js";
import type { Logger } from "../../platform/logger.js";
import { subjects } from "../../platform/subjects.js";
import type { Publisher } from "../jetstream/publisher.js";
import type { TenantUse, Usage } from "./usage.js";

export type UsageTotals = readonly [
  tenantId: string,
  messages: number,
  bytes: number,
  readings: number,
  waits: number,
  refusals: number,
  peakConnections: number,
];

/** What is published on `subjects.usage` (JSON). */
export interface UsageMessage {
  /** The process that counted, new with each start. */
  readonly instance: string;
  /** The beginning of the hour, ms since the epoch. */
  readonly hour: number;
  readonly tenants: readonly UsageTotals[];
}

export interface UsageReportOptions {
  readonly usage: Usage;
  readonly publisher: Publisher;
  readonly logger: Logger;
  readonly everyMs?: number;
  /** Ms since the epoch. */
  readonly clock?: () => number;
}

export const HOUR_MS = 3_600_000;
const TENANTS_A_MESSAGE = 500;
/** Messages that JetStream did not take, kept for the next round; beyond it the oldest is given up, and said in the log. */
const MAX_UNSENT = 100;

export function startUsageReport(options: UsageReportOptions): Running {
  const { usage, publisher, logger, everyMs = 5_000, clock = Date.now } = options;
  const instance = newId();
  let hour = hourOf(clock());
  /** The counts at the hour's beginning. */
  let base = new Map<string, TenantUse>();
  /** What was sent of this hour, as text. */
  let sent = new Map<string, string>();
  let unsent: UsageMessage[] = [];
  const timer = setInterval(report, everyMs);
  timer.unref();

  function report(): void {
    const now = hourOf(clock());
    for (const message of messages()) send(message);
    if (now === hour) return;
    // What came in the seconds around the full hour is the old one's.
    hour = now;
    base = new Map([...usage.all()].map(([tenantId, use]) => [tenantId, { ...use }]));
    sent = new Map();
    usage.settlePeaks();
  }

  /** Of those tenants whose totals have changed, and what could not be sent before. */
  function messages(): readonly UsageMessage[] {
    const due = unsent;
    unsent = [];
    let tenants: UsageTotals[] = [];
    for (const [tenantId, use] of usage.all()) {
      const totals = totalsOf(tenantId, use, base.get(tenantId));
      const text = totals.join(" ");
      if (totals.every((total, index) => index === 0 || total === 0) || sent.get(tenantId) === text) continue;
      sent.set(tenantId, text);
      tenants.push(totals);
      if (tenants.length < TENANTS_A_MESSAGE) continue;
      due.push({ instance, hour, tenants });
      tenants = [];
    }
    if (tenants.length > 0) due.push({ instance, hour, tenants });
    return due;
  }

  function send(message: UsageMessage): void {
    publisher.publish(subjects.usage, Buffer.from(JSON.stringify(message)), (error) => {
      if (error === undefined) return;
      unsent.push(message);
      if (unsent.length <= MAX_UNSENT) return;
      unsent.shift();
      logger.warn({ error: error.message }, "what tenants used is not in the durable record for some time");
    });
  }

  return {
    stop() {
      clearInterval(timer);
      report();
      return Promise.resolve();
    },
  };
}

export function hourOf(at: number): number {
  return Math.floor(at / HOUR_MS) * HOUR_MS;
}

function totalsOf(tenantId: string, use: Readonly<TenantUse>, base: TenantUse | undefined): UsageTotals {
  return [
    tenantId,
    use.messages - (base?.messages ?? 0),
    use.bytes - (base?.bytes ?? 0),
    use.readings - (base?.readings ?? 0),
    use.waits - (base?.waits ?? 0),
    use.refusals - (base?.refusals ?? 0),
    use.peakConnections,
  ];
}
