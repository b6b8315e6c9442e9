import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "commander";
import { FleetlogError } from "../../platform/errors.js";
import type { Begin, Work } from "../cli.js";
import type { Client } from "../client.js";

const FIELDS = /* GraphQL */ `
  fragment RebuildFields on ProjectionRebuild {
    projection
    state
    events
    startedAt
    finishedAt
    error
  }
`;

const REBUILD = `${
  /* GraphQL */ `
    mutation ($name: String!) {
      rebuildProjection(name: $name) {
        rebuild {
          ...RebuildFields
        }
      }
    }
  `
}${FIELDS}`;

const REBUILDS = `${
  /* GraphQL */ `
    query {
      rebuilds {
        ...RebuildFields
      }
    }
  `
}${FIELDS}`;

interface Rebuild {
  readonly projection: string;
  readonly state: "RUNNING" | "DONE" | "FAILED";
  readonly events: number;
  readonly startedAt: string;
  readonly finishedAt: string | null;
  readonly error: string | null;
}

const LOOK_EVERY_MS = 500;

export function addProjectionsCommands(program: Command, begin: Begin): void {
  const projections = program.command("projections").description("the read models, built from the history");
  projections
    .command("rebuild <name>")
    .description("build a read model anew beside the live one, and swap it in (takes a token of the platform itself)")
    .option("--no-wait", "begin it, and do not wait until it is done")
    .action(async (name: string, options: { readonly wait: boolean }, command: Command) => {
      const work = begin(command);
      const client = work.connect("platform");
      const { rebuildProjection } = await client.request<{
        readonly rebuildProjection: { readonly rebuild: Rebuild };
      }>(REBUILD, { name });
      const begun = rebuildProjection.rebuild;
      const { out } = work;
      const last = options.wait ? await untilDone(work, client, begun) : begun;
      if (last.state === "FAILED") {
        throw new FleetlogError("INTERNAL", `the rebuild of ${name} failed: ${last.error ?? "the log says why"}`);
      }
      out.show(last, () => out.line(text(last)));
    });
  projections
    .command("list")
    .description("the last rebuild of each read model that ever had one")
    .action(async (_: object, command: Command) => {
      const { out, connect } = begin(command);
      const rebuilds = await all(connect("platform"));
      out.show(rebuilds, () =>
        out.table<Rebuild>(
          [
            { title: "PROJECTION", of: (row) => row.projection },
            { title: "STATE", of: (row) => row.state },
            { title: "EVENTS", of: (row) => row.events },
            { title: "STARTED", of: (row) => row.startedAt },
            { title: "FINISHED", of: (row) => row.finishedAt },
            { title: "ERROR", of: (row) => row.error },
          ],
          rebuilds,
        ),
      );
    });
}

/** The last that is known of it: when it is over, or when we are told to stop, which leaves the rebuild running. */
async function untilDone({ out, signal }: Work, client: Client, begun: Rebuild): Promise<Rebuild> {
  let last = begun;
  let told = -1;
  while (last.state === "RUNNING" && !signal.aborted) {
    if (last.events !== told) out.note(text(last));
    told = last.events;
    await sleep(LOOK_EVERY_MS, undefined, { signal }).catch(() => undefined);
    const found = (await all(client)).find(({ projection }) => projection === begun.projection);
    last = found ?? last;
  }
  return last;
}

async function all(client: Client): Promise<readonly Rebuild[]> {
  return (await client.request<{ readonly rebuilds: readonly Rebuild[] }>(REBUILDS)).rebuilds;
}

function text({ projection, state, events }: Rebuild): string {
  return state === "DONE"
    ? `projection ${projection} is rebuilt from ${events} events and in use`
    : `projection ${projection}: ${events} events read`;
}
