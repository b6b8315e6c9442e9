/**
 * Resolves the alerts of devices that are decommissioned: no reading will ever clear them. Two things make an orphan, and each is looked
 * at when it happens: a device is decommissioned that has open alerts, and an alert is raised, from readings that were still under way,
 * after its device was. Whichever comes second in the log finds the first there, so none slips through.
 */
import type { EventStoreDBClient } from "@eventstore/db-client";
import { AckPolicy, DeliverPolicy, NatsError, nanos } from "nats";
import type { ConsumerMessages, JsMsg, NatsConnection } from "nats";
import type { AlertRaised } from "../../domain/alert/index.js";
import { follow } from "../../engines/follow.js";
import { readAggregateEvents, readNewestFirst, streamName } from "../../events/index.js";
import type { PublicEvent } from "../../events/index.js";
import { messageOf } from "../../platform/errors.js";
import { derivedId } from "../../platform/ids.js";
import type { HasHealth, PartHealth, Running } from "../../platform/lifecycle.js";
import type { Logger } from "../../platform/logger.js";
import { streams, subjects } from "../../platform/subjects.js";
import type { AlertQueries } from "../../projections/index.js";
import type { Commands } from "../index.js";
import { isTransient } from "./refused-report.js";

export interface OrphanedAlertsDeps {
  readonly nc: NatsConnection;
  readonly eventStore: EventStoreDBClient;
  readonly commands: Commands;
  readonly alerts: Pick<AlertQueries, "find" | "page">;
  readonly logger: Logger;
}

/** So many are resolved at once. */
const PAGE = 50;
/** The read model is some milliseconds behind, or there is trouble. */
const NOT_SHOWN_YET_MS = 250;
/** Events of a device that are read first: more than it may have keys to be revoked when it has ended. */
const LOOKED_AT = 20;
const RETRY_AFTER_MS = 5_000;
/** Messages of a consumer that are given at once; one that is not answered in time is given again, which decides nothing twice. */
const TAKEN = 32;
const ACK_WAIT_MS = 60_000;
/** Tries, some seconds: before the projector has started for the first time, there is no such stream. */
const PATIENCE = 6;

const watched = { "workflows-decommissioned": "DeviceDecommissioned", "workflows-raised": "AlertRaised" } as const;

export function startOrphanedAlerts(deps: OrphanedAlertsDeps): Running & HasHealth {
  const { nc, eventStore, commands, alerts, logger } = deps;
  const stopping = new AbortController();
  let trouble: string | undefined;

  /** Decommissioned is the end: little can follow it, so the newest events tell. */
  async function isDecommissioned(tenantId: string, deviceId: string): Promise<boolean> {
    const stream = streamName("device", tenantId, deviceId);
    for await (const { type } of readNewestFirst(eventStore, stream, LOOKED_AT)) {
      if (type === "DeviceDecommissioned") return true;
      if (type !== "CredentialRevoked" && type !== "DeviceWentOffline") return false;
    }
    for await (const { type } of readAggregateEvents(eventStore, stream)) {
      if (type === "DeviceDecommissioned") return true;
    }
    return false;
  }

  /** Events come here, and into the read model, in log order: if the newest alert that came here is shown, all are that came before. */
  async function alertsAreShown(): Promise<boolean> {
    const manager = await nc.jetstreamManager();
    try {
      const newest = { last_by_subj: subjects.event("*", "AlertRaised", "*") };
      const { tenantId, aggregate } = (await manager.streams.getMessage(streams.events, newest)).json<PublicEvent>();
      return (await alerts.find(tenantId, aggregate.id)) !== undefined;
    } catch (error) {
      // No alert was raised as far back as the stream goes.
      if (error instanceof NatsError && error.api_error?.code === 404) return true;
      throw error;
    }
  }

  async function resolve(tenantId: string, alertId: string, resolvedAt: string): Promise<void> {
    const data = { resolvedAt, cause: "device-decommissioned" } as const;
    await commands.execute({
      category: "alert",
      tenantId,
      id: alertId,
      command: { type: "ResolveAlert", at: new Date().toISOString(), data },
      commandId: derivedId("orphaned-alert", tenantId, alertId),
      actor: { kind: "system", part: "orphaned-alerts" },
    });
  }

  /** False when the alerts that stood then cannot be seen yet. */
  async function resolveAll(tenantId: string, deviceId: string, resolvedAt: string): Promise<boolean> {
    if (!(await alertsAreShown())) return false;
    const query = { deviceId, statuses: ["ACTIVE", "ACKNOWLEDGED"] } as const;
    const sort = { field: "triggeredAt", descending: false };
    for (let after: string | undefined; ;) {
      const page = await alerts.page(tenantId, query, { first: PAGE, sort, ...(after === undefined ? {} : { after }) });
      await Promise.all(page.items.map(({ document }) => resolve(tenantId, document.alertId, resolvedAt)));
      after = page.items.at(-1)?.cursor;
      if (!page.hasNextPage || after === undefined) return true;
    }
  }

  async function act(message: JsMsg): Promise<boolean> {
    const { type, tenantId, aggregate, data, metadata } = message.json<PublicEvent>();
    if (type === "DeviceDecommissioned") return resolveAll(tenantId, aggregate.id, metadata.occurredAt);
    const { deviceId } = data as AlertRaised["data"];
    if (await isDecommissioned(tenantId, deviceId)) await resolve(tenantId, aggregate.id, metadata.occurredAt);
    return true;
  }

  async function handle(message: JsMsg): Promise<void> {
    try {
      if (await act(message)) message.ack();
      else message.nak(NOT_SHOWN_YET_MS);
      trouble = undefined;
    } catch (error) {
      if (trouble === undefined) logger.warn({ error: messageOf(error) }, "alerts of decommissioned devices wait");
      trouble = messageOf(error);
      if (isTransient(error) || stopping.signal.aborted) return message.nak(RETRY_AFTER_MS);
      logger.error({ subject: message.subject, error: messageOf(error) }, "an alert cannot be settled: it stays open");
      message.term();
    }
  }

  async function open(consumer: keyof typeof watched): Promise<ConsumerMessages> {
    const manager = await nc.jetstreamManager();
    await manager.consumers.add(streams.events, {
      durable_name: consumer,
      filter_subject: subjects.event("*", watched[consumer], "*"),
      deliver_policy: DeliverPolicy.All,
      ack_policy: AckPolicy.Explicit,
      ack_wait: nanos(ACK_WAIT_MS),
      max_ack_pending: TAKEN,
    });
    const durable = await nc.jetstream().consumers.get(streams.events, consumer);
    return durable.consume({ max_messages: TAKEN, abort_on_missing_resource: true });
  }

  async function read(messages: ConsumerMessages, goes: () => void): Promise<void> {
    goes();
    for await (const message of messages) {
      await handle(message);
      if (stopping.signal.aborted) return;
    }
  }

  const followings = (["workflows-decommissioned", "workflows-raised"] as const).map((consumer) =>
    follow({
      logger,
      open: () => open(consumer),
      read,
      waits: `the events of "${consumer}" do not come; trying again`,
      goesAgain: `the events of "${consumer}" come again`,
      patience: PATIENCE,
    }),
  );
  return {
    async stop() {
      stopping.abort();
      await Promise.all(followings.map((following) => following.stop()));
    },
    health(): readonly PartHealth[] {
      const name = "orphaned-alerts";
      const detail = followings.find((following) => following.trouble !== undefined)?.trouble ?? trouble;
      return [detail === undefined ? { name, state: "up" } : { name, state: "degraded", detail }];
    },
  };
}
