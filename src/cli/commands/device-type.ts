import type { Command } from "commander";
import { FleetlogError } from "../../platform/errors.js";
import { count, jsonOrFile } from "../arguments.js";
import type { Begin } from "../cli.js";
import { take } from "../pages.js";
import { UsageError } from "../problem.js";
import { noteUnshown } from "../shown.js";

const FIELDS = /* GraphQL */ `
  fragment TypeFields on DeviceType {
    deviceType
    version
    metrics {
      name
      kind
      unit
      min
      max
      quality {
        expectedMin
        expectedMax
        maxRate
        stuckAfter
      }
    }
    codec {
      format
      protobuf {
        schema
        message
      }
    }
    reportEvery
    updatedAt
  }
`;

const DEFINE = `${
  /* GraphQL */ `
    mutation ($input: DefineDeviceTypeInput!) {
      defineDeviceType(input: $input) {
        shown
        deviceType {
          ...TypeFields
        }
      }
    }
  `
}${FIELDS}`;

const LIST = `${
  /* GraphQL */ `
    query ($first: Int!, $after: String) {
      deviceTypes(first: $first, after: $after) {
        edges {
          node {
            ...TypeFields
          }
        }
        pageInfo {
          hasNextPage
          endCursor
        }
      }
    }
  `
}${FIELDS}`;

const SHOW = `${
  /* GraphQL */ `
    query ($type: ID!) {
      deviceType(deviceType: $type) {
        ...TypeFields
      }
    }
  `
}${FIELDS}`;

interface Metric {
  readonly name: string;
  readonly kind: string;
  readonly unit: string | null;
  readonly min: number | null;
  readonly max: number | null;
  readonly quality: Readonly<Record<string, number | null>> | null;
}

interface DeviceType {
  readonly deviceType: string;
  readonly version: number;
  readonly metrics: readonly Metric[];
  readonly codec: { readonly format: string; readonly protobuf: { readonly message: string } | null };
  readonly reportEvery: number | null;
  readonly updatedAt: string;
}

interface Defined {
  readonly defineDeviceType: { readonly shown: boolean; readonly deviceType: DeviceType | null };
}

export function addDeviceTypeCommands(program: Command, begin: Begin): void {
  const type = program.command("type").description("what devices of a type measure");
  type
    .command("define <type>")
    .description("define a type, or its next version")
    .argument(
      "<json>",
      'a list of {"name", "kind", "unit", "min", "max", "quality"}, or {"metrics": that list, "codec", "reportEvery"}, or a file of it',
      jsonOrFile,
    )
    .action(async (id: string, definition: unknown, _: object, command: Command) => {
      const { out, connect } = begin(command);
      const input = { deviceType: id, metrics: metricsOf(definition), ...restOf(definition) };
      const { defineDeviceType } = await connect("tenant").request<Defined>(DEFINE, { input });
      noteUnshown(out, defineDeviceType);
      const defined = defineDeviceType.deviceType;
      out.show(defined, () => out.line(`device type ${id} is at version ${defined?.version ?? "?"}`));
    });
  type
    .command("show <type>")
    .description("the metrics of a type")
    .action(async (id: string, _: object, command: Command) => {
      const { out, connect } = begin(command);
      const { deviceType } = await connect("tenant").request<{ readonly deviceType: DeviceType | null }>(SHOW, {
        type: id,
      });
      if (deviceType === null) throw new FleetlogError("NOT_FOUND", `there is no device type ${id} in this tenant`);
      out.show(deviceType, () =>
        out.table<Metric>(
          [
            { title: "METRIC", of: (row) => row.name },
            { title: "KIND", of: (row) => row.kind },
            { title: "UNIT", of: (row) => row.unit },
            { title: "MIN", of: (row) => row.min },
            { title: "MAX", of: (row) => row.max },
            { title: "DOUBTED", of: (row) => doubted(row.quality) },
          ],
          deviceType.metrics,
        ),
      );
      const { codec, reportEvery } = deviceType;
      const pace = reportEvery === null ? "" : `, every ${reportEvery} s`;
      if (!out.json) out.note(`devices write ${codec.format}${pace}`);
    });
  type
    .command("list")
    .option("--limit <n>", "so many at most", count, 100)
    .action(async (options: { readonly limit: number }, command: Command) => {
      const { out, connect } = begin(command);
      const { nodes } = await take<DeviceType>(connect("tenant"), LIST, {}, "deviceTypes", options.limit);
      out.show(nodes, () =>
        out.table<DeviceType>(
          [
            { title: "TYPE", of: (row) => row.deviceType },
            { title: "VERSION", of: (row) => row.version },
            { title: "METRICS", of: (row) => row.metrics.map(({ name }) => name).join(", ") },
            { title: "UPDATED", of: (row) => row.updatedAt },
          ],
          nodes,
        ),
      );
    });
}

function doubted(quality: Metric["quality"]): string | null {
  const checks = Object.entries(quality ?? {}).filter(([, value]) => value !== null);
  return checks.length === 0 ? null : checks.map(([name, value]) => `${name} ${value}`).join(", ");
}

/** What stands beside the metrics; formats as people write them: `cbor`, `senml+json`. */
function restOf(value: unknown): object {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return {};
  const { codec, reportEvery } = value as { readonly codec?: unknown; readonly reportEvery?: unknown };
  if (typeof codec !== "object" || codec === null) return { codec, reportEvery };
  const { format } = codec as { readonly format?: unknown };
  const named = typeof format === "string" ? format.toUpperCase().replace("+", "_") : format;
  return { codec: { ...codec, format: named }, reportEvery };
}

/** A list of metrics, or an object that holds one; kinds in any case. */
function metricsOf(value: unknown): readonly object[] {
  const list = Array.isArray(value) ? value : (value as { readonly metrics?: unknown } | null)?.metrics;
  if (!Array.isArray(list)) {
    throw new UsageError('the definition is a list of metrics, such as \'[{"name": "temperature", "unit": "Cel"}]\'');
  }
  return list.map((metric: Readonly<Record<string, unknown>>) => {
    const kind = metric["kind"];
    return typeof kind === "string" ? { ...metric, kind: kind.toUpperCase() } : metric;
  });
}
