import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readAggregateEvents, streamName } from "../../src/events/index.js";
import { ensureIngestStreams } from "../../src/ingest/index.js";
import { streams } from "../../src/platform/subjects.js";
import { Evaluation } from "../../src/processing/rules/evaluation.js";
import type { Transition } from "../../src/processing/rules/transition.js";
import { bundleTs } from "../support/spawn-ts.js";
import type { BundledTs } from "../support/spawn-ts.js";
import { startRiver } from "../support/river.js";
import type { River } from "../support/river.js";
import { waitFor } from "../support/wait-for.js";
import { createRule, send } from "./processing-platform.js";
import { frame, reading } from "./rules/documents.js";

const DEVICES = 20;
const FRAMES = 400;
const KILLS = 4;

let river: River;
let program: BundledTs;
let child: ChildProcess | undefined;

beforeAll(async () => {
  river = await startRiver();
  await ensureIngestStreams(river.nats);
  program = await bundleTs("test/processing/children/processor.ts");
});
afterAll(async () => {
  await kill();
  await program.remove();
  await river.stop();
});

function startChild(): void {
  const { eventstoreUrl, mongoUrl, natsUrl } = river.engines;
  child = spawn(process.execPath, [program.path, eventstoreUrl, mongoUrl, natsUrl], {
    stdio: ["ignore", "ignore", "inherit"],
  });
}

async function kill(): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGKILL");
  await ended;
}

async function progress(): Promise<{ readonly evaluated: number; readonly open: number }> {
  const info = await (await river.nats.jetstreamManager()).consumers.info(streams.frames, "processor");
  return { evaluated: info.delivered.stream_seq, open: info.num_ack_pending + info.num_pending };
}

/** Around the threshold, at another pace for each device. */
const wave = (device: number, second: number): number => 88 + 8 * Math.sin((second + device * 3) / (4 + device));

function byAlert(transitions: readonly Transition[]): ReadonlyMap<string, readonly Transition[]> {
  const alerts = new Map<string, readonly Transition[]>();
  for (const one of transitions) alerts.set(one.alertId, [...(alerts.get(one.alertId) ?? []), one]);
  return alerts;
}

test("killed at any moment, no alert is lost and none is doubled", { timeout: 120_000 }, async () => {
  const tenant = await river.createTenant();
  const condition = {
    metric: "temperature",
    operator: "GT",
    threshold: 90,
    clearThreshold: 85,
    forSeconds: 2,
  } as const;
  const rule = await createRule(river, tenant, { condition, cooldownSeconds: 5 });

  // What should come of it: the same readings, judged in one go.
  const expected: Transition[] = [];
  const calm = new Evaluation({ onTransition: (transition) => expected.push(transition) });
  const document = await river.readModels.alertRules.find(tenant, rule);
  calm.replaceRules(document === undefined ? [] : [document], new Set());

  const half = FRAMES / 2;
  let sent = 0;
  async function sendUpTo(last: number): Promise<void> {
    for (; sent < last; sent += 1) {
      const readings = Array.from({ length: DEVICES }, (_, n) => [`press-${n}`, sent + 1, wave(n, sent)] as const);
      await send(river, tenant, ...readings);
      calm.evaluate(
        sent + 1,
        frame(...readings.map(([name, at, value]) => reading(name, at, value, { tenantId: tenant }))),
      );
    }
  }

  for (let round = 1; round <= KILLS; round += 1) {
    startChild();
    const before = (await progress()).evaluated;
    const sending = sendUpTo(Math.floor((half * round) / KILLS));
    // In the thick of it: it has been given some of these frames, and others are under way.
    await waitFor(async () => (await progress()).evaluated > before + 10 * (round - 1), {
      what: "the processor to take frames",
    });
    await kill();
    await sending;
  }
  startChild();
  await sendUpTo(FRAMES);

  const history = async (id: string): Promise<readonly string[]> => {
    const types: string[] = [];
    for await (const { type } of readAggregateEvents(river.client, streamName("alert", tenant, id))) types.push(type);
    return types;
  };
  const wanted = byAlert(expected);
  expect(wanted.size).toBeGreaterThan(20);
  for (const [id, transitions] of wanted) {
    const events = await waitFor(
      async () => {
        const found = await history(id);
        return found.length >= transitions.length && found;
      },
      { what: `alert ${id}` },
    );
    expect(events).toEqual(
      transitions.map(({ command }) => (command.type === "RaiseAlert" ? "AlertRaised" : "AlertResolved")),
    );
  }
  // Everything that there is was called for.
  const all = new Set<string>();
  for await (const { event } of river.client.readAll()) {
    if (event?.streamId.startsWith(`alert-${tenant}.`) === true) all.add(event.streamId);
  }
  expect(all).toEqual(new Set([...wanted.keys()].map((id) => streamName("alert", tenant, id))));
});
