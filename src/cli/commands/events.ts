import type { Command } from "commander";
import { isFleetlogError } from "../../platform/errors.js";
import { pastTime } from "../arguments.js";
import type { Begin, Work } from "../cli.js";
import type { Client } from "../client.js";
import { cell } from "../output.js";
import type { Connection } from "../pages.js";
import { UsageError } from "../problem.js";

const EVENTS = /* GraphQL */ `
  query ($device: ID!, $from: DateTime, $to: DateTime, $first: Int!, $after: String) {
    deviceEvents(deviceId: $device, from: $from, to: $to, first: $first, after: $after) {
      edges {
        node {
          id
          type
          revision
          occurredAt
          actor
          commandId
          correlationId
          data
        }
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
`;

const CHANGED = /* GraphQL */ `
  subscription ($device: ID!) {
    deviceChanged(deviceId: $device) {
      revision
    }
  }
`;

const PAGE = 500;
/** A change that no subscription told of, because it fell between two connections, is found by this look. */
const LOOK_EVERY_MS = 5_000;

interface Event {
  readonly id: string;
  readonly type: string;
  readonly revision: number;
  readonly occurredAt: string;
  readonly actor: string;
  readonly commandId: string;
  readonly correlationId: string;
  readonly data: unknown;
}

interface EventsOptions {
  readonly device: string;
  readonly from?: string;
  readonly to?: string;
  readonly follow?: true;
}

export function addEventsCommand(program: Command, begin: Begin): void {
  program
    .command("events")
    .description("replay a device's history: every fact, who made it, when (for auditors and administrators)")
    .requiredOption("--device <device>", "DEVICE, or TENANT/DEVICE")
    .option("--from <time>", "what happened at this time or later: 2h, or a time", pastTime)
    .option("--to <time>", "what happened before this time", pastTime)
    .option("--follow", "go on with what happens now, until Ctrl-C")
    .action(async (options: EventsOptions, command: Command) => {
      const { device: named, from, to } = options;
      if (options.follow === true && to !== undefined) throw new UsageError("--follow has no end: leave --to out");
      const [device = "", tenant, ...rest] = named.split("/").toReversed();
      if (device === "" || tenant === "" || rest.length > 0)
        throw new UsageError("--device is DEVICE or TENANT/DEVICE");
      const work = begin(command);
      const client = work.connect("tenant", tenant ?? work.settings.tenant);
      const replay = replayer(work, client, { device, from, to });
      await replay();
      if (options.follow === true) await follow(work, client, device, replay);
    });
}

/**
 * A function that prints what its last call had not yet seen. The cursor is the number of an event in the device's
 * history, so nothing is printed twice and nothing left out, whoever asks how often.
 */
function replayer(
  { out, signal }: Work,
  client: Client,
  variables: Readonly<Record<string, unknown>>,
): () => Promise<void> {
  let after: string | null = null;
  return async () => {
    for (let more = true; more && !signal.aborted;) {
      const answer: { readonly deviceEvents: Connection<Event> } = await client.request(EVENTS, {
        ...variables,
        first: PAGE,
        after,
      });
      const { edges, pageInfo } = answer.deviceEvents;
      for (const { node } of edges) out.show(node, () => out.line(text(node)));
      after = pageInfo.endCursor ?? after;
      more = pageInfo.hasNextPage;
    }
  };
}

/** Prints what is new at each change that the platform tells of, at each connection, and now and then in any case. */
async function follow(
  { out, signal }: Work,
  client: Client,
  device: string,
  replay: () => Promise<void>,
): Promise<void> {
  const ended = new AbortController();
  const until = AbortSignal.any([signal, ended.signal]);
  let wake: (() => void) | undefined;
  let due = false;
  const look = (): void => {
    due = true;
    wake?.();
  };

  const lost = (): void => out.note("the connection is lost; trying again");

  async function printing(): Promise<void> {
    while (!until.aborted) {
      due = false;
      await replay().catch((error: unknown) => {
        // The platform is away: the cursor is ours, so the next look goes on where this one ended.
        if (!isFleetlogError(error) || error.code !== "UNAVAILABLE") throw error;
      });
      if (due || until.aborted) continue;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, LOOK_EVERY_MS);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  async function listening(): Promise<void> {
    while (!until.aborted) {
      try {
        await client.subscribe(CHANGED, { device }, { next: look, connected: look, lost }, until);
      } catch (error) {
        // Too many changes waited for us: they are in the history, which `printing` reads.
        if (!isFleetlogError(error) || error.code !== "LIMIT_EXCEEDED") throw error;
      }
    }
  }

  until.addEventListener("abort", look, { once: true });
  out.note(`following ${device}; Ctrl-C ends it`);
  try {
    await Promise.race([printing(), listening()]);
  } finally {
    ended.abort();
  }
}

/** `12  2026-05-01T08:00:00.000Z  DeviceActivated  user:ann  {…}` */
function text({ revision, occurredAt, type, actor, data }: Event): string {
  return cell(`${String(revision).padStart(5)}  ${occurredAt}  ${type.padEnd(22)}  ${actor}  ${JSON.stringify(data)}`);
}
