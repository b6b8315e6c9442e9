/** The demo from beginning to end: a platform, a fleet with its rules, the recorded readings, the alerts, and an account of it all. */
import { Lifecycle } from "../platform/lifecycle.js";
import type { Logger } from "../platform/logger.js";
import { readConfig } from "../config.js";
import { connectEventStore } from "../engines/eventstore.js";
import { issueToken } from "../rest/tokens.js";
import { startPlatform } from "../supervisor/index.js";
import type { Platform } from "../supervisor/index.js";
import { allAnswered, allHeard, allStored, countEvents } from "./account.js";
import { followAlerts } from "./alert-feed.js";
import { AlertLog } from "./alert-log.js";
import { connectFleet } from "./connect-fleet.js";
import { createRules, createTenant, enrolFleet } from "./enrol.js";
import { fleetOf, guest, MACHINE } from "./fleet.js";
import { createGraphqlClient, GraphqlRefusal } from "./graphql-client.js";
import { Latencies } from "./latencies.js";
import { operate } from "./operator.js";
import { continueLive, replay } from "./replay.js";
import { alertLine, statusLine, welcome } from "./report.js";
import type { Screen } from "./screen.js";
import { summarize } from "./summary.js";
import type { Summary } from "./summary.js";

export interface DemoOptions {
  readonly environment: NodeJS.ProcessEnv;
  /** The folder of the recordings, samples/nab. */
  readonly samples: string;
  /** Undefined: one pass, then live until `signal`. */
  readonly seconds: number | undefined;
  readonly devices: number;
  readonly screen: Screen;
  readonly logger: Logger;
  /** Aborted: stop sending, give the account, end. */
  readonly signal: AbortSignal;
}

/** The pace of one pass when no seconds are asked for. */
const ONE_PASS_MS = 150_000;
/** Of the seconds asked for, so much is for sending; the rest is for what is on the way to arrive. */
const SENDING_SHARE = 0.95;
const LIVE_EVERY_MS = 5_000;
const PATIENCE_MS = 30_000;
/** Longer than any demo that one would look at. */
const TOKEN_SECONDS = 7 * 24 * 3600;

/** Throws FleetlogError or ConfigError when the platform cannot start. Nothing is left running in any case. */
export async function runDemo(options: DemoOptions): Promise<Summary> {
  const lifecycle = new Lifecycle(options.logger);
  try {
    return await run(options, lifecycle);
  } finally {
    options.screen.clear();
    options.screen.line("stopping: finishing what was accepted");
    await lifecycle.stop();
  }
}

async function run(options: DemoOptions, lifecycle: Lifecycle): Promise<Summary> {
  const { screen, logger, environment, seconds, signal } = options;
  const platform = lifecycle.add(
    "platform",
    await startPlatform({
      config: readConfig(environment),
      environment,
      logger,
      onProgress: (step) => screen.line(`· ${step}`),
    }),
  );
  const members = fleetOf(options.devices);
  screen.line(`· registering ${members.length} devices and their rules through GraphQL`);
  const { httpUrl, mqttUrl } = urlsOf(platform);
  const tokenFor = (tenant: string): Promise<string> =>
    issueToken(platform.tokenSecret, { subject: "demo", tenant, role: "ADMIN" }, TOKEN_SECONDS);
  const asPlatform = createGraphqlClient({ httpUrl, token: await tokenFor("*") });
  const tenant = await createTenant(asPlatform, "demo");
  asPlatform.close();
  const token = await tokenFor(tenant);
  const client = createGraphqlClient({ httpUrl, token });
  lifecycle.add("GraphQL client", { stop: async () => client.close() });
  const keys = await enrolFleet(client, [...members, guest]);
  const ruleNames = await createRules(client, [...members, guest]);
  for (const line of welcome({
    platform,
    tenant,
    token,
    machine: MACHINE,
    guest: guest.deviceId,
    key: keys.get(guest.deviceId) ?? "",
  })) {
    screen.line(line);
  }

  const ackLatencies = new Latencies();
  const alertLatencies = new Latencies();
  const players = await connectFleet({
    mqttUrl,
    tenant,
    members,
    keys,
    samples: options.samples,
    ackLatencies,
    onRefused: (reason) => screen.line(`  refused: ${reason}`),
    lifecycle,
  });
  const devices = players.map(({ device }) => device);
  const byId = new Map(devices.map((device) => [device.member.deviceId, device]));
  const operator = operate(client, (text) => screen.line(text));
  const log = new AlertLog({
    latencies: alertLatencies,
    sentAt: (deviceId, time) => byId.get(deviceId)?.sentAt(time),
    onRaised(alert) {
      screen.line(alertLine(alert, ruleNames.get(alert.ruleId) ?? alert.ruleId));
      operator.raised(alert);
    },
    onResolved: () => {},
  });
  lifecycle.add(
    "subscriber",
    await followAlerts({
      httpUrl,
      token,
      onAlert: (alert) => log.heard(alert),
      onLost: (reason) => screen.line(`  the subscription was lost: ${reason}`),
    }),
  );

  const began = performance.now();
  const ticker = setInterval(
    () => screen.status(statusLine({ devices, log, ackLatencies, elapsedMs: performance.now() - began })),
    1_000,
  );
  lifecycle.add("status line", { stop: async () => clearInterval(ticker) });
  await replay(players, seconds === undefined ? ONE_PASS_MS : seconds * 1_000 * SENDING_SHARE, signal);
  const sendingMs = performance.now() - began;
  const playedWhole = players.every(({ device, timeline }) => device.sent >= timeline.length);
  if (seconds === undefined && !signal.aborted) {
    screen.line(
      "the recordings are over: from now on each device sends a reading every 5 s, in real time. Ctrl-C ends it",
    );
    await continueLive(players, LIVE_EVERY_MS, signal);
  }

  clearInterval(ticker);
  screen.clear();
  screen.line("counting: every acknowledged reading must be in InfluxDB, every alert with the subscriber");
  await allAnswered(devices, PATIENCE_MS);
  const stored = await allStored(client, devices, PATIENCE_MS);
  const missed = await allHeard(client, log, () => isIdle(platform), PATIENCE_MS);
  await operator.done();
  const machine = players.find(({ device }) => device.member.deviceId === MACHINE);
  return summarize({
    devices,
    sendingMs,
    stored,
    events: await eventsOf(platform),
    log,
    missed,
    acknowledgedAlerts: operator.acknowledged,
    ackLatencies,
    alertLatencies,
    anomalies: machine?.timeline.anomalies ?? [],
    machineAlerts: log.of(MACHINE),
    machineUntil: machine?.device.lastTime ?? 0,
    playedWhole,
  });
}

function urlsOf({ httpUrl, mqttUrl }: Platform): { readonly httpUrl: string; readonly mqttUrl: string } {
  if (httpUrl !== undefined && mqttUrl !== undefined) return { httpUrl, mqttUrl };
  throw new GraphqlRefusal("BAD_REQUEST", "the demo needs the roles gateway and api: leave FLEETLOG_ROLES unset");
}

/** As far as the last reports say: no consumer of readings has any left. */
function isIdle(platform: Platform): boolean {
  return platform.health().every(({ lag, lagUnit }) => lagUnit !== "messages" || (lag ?? 0) === 0);
}

async function eventsOf(platform: Platform): Promise<number> {
  const eventStore = connectEventStore(platform.eventstoreUrl);
  try {
    return await countEvents(eventStore);
  } finally {
    await eventStore.dispose();
  }
}
