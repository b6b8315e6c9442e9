import type { Command } from "commander";
import { jsonOrFile } from "../arguments.js";
import type { Begin } from "../cli.js";
import { FleetlogError } from "../../platform/errors.js";
import { UsageError } from "../problem.js";
import { noteUnshown } from "../shown.js";
import { CREATE, LIMIT, RETAIN, SHOW } from "./tenant-queries.js";
import type { Changed, Limits, Rule, Tenant } from "./tenant-queries.js";

export function addTenantCommands(program: Command, begin: Begin): void {
  const tenant = program.command("tenant").description("the organizations on this platform");
  tenant
    .command("create <id>")
    .description("make a tenant (takes a token of the platform itself)")
    .option("--name <name>", "as people call it (default: the id)")
    .action(async (id: string, options: { readonly name?: string }, command: Command) => {
      const { out, connect } = begin(command);
      const input = { tenantId: id, name: options.name ?? id };
      const { createTenant } = await connect("platform").request<{ readonly createTenant: Changed }>(CREATE, { input });
      noteUnshown(out, createTenant);
      out.show(createTenant.tenant, () => out.line(`tenant ${id} is there`));
    });
  tenant
    .command("show")
    .description("your tenant, with its limits and how long its telemetry is kept")
    .action(async (_: object, command: Command) => {
      const { out, connect } = begin(command);
      const { tenant: found } = await connect("tenant").request<{ readonly tenant: Tenant | null }>(SHOW, {});
      if (found === null) throw new FleetlogError("NOT_FOUND", "the tenant of the token is not there: create it first");
      out.show(found, () => {
        const { tenantId, name, createdAt, limits, retention } = found;
        out.fields({
          tenant: tenantId,
          name,
          created: createdAt,
          "limits of all devices": limitsText(limits.tenant),
          "limits of each device": limitsText(limits.device),
          retention: retention.length === 0 ? "everything is kept" : retention.map(ruleText).join("; "),
        });
      });
    });
  tenant
    .command("limits <id>")
    .description("replace a tenant's limits (takes a token of the platform itself); {} goes back to the defaults")
    .argument(
      "<json>",
      '{"tenant": {"messages": {"perSecond", "burst"}, "bytes": {"perSecond", "burst"}, "connections"}, "device": the same for each}, or a file of it',
      jsonOrFile,
    )
    .action(async (id: string, limits: unknown, _: object, command: Command) => {
      const { out, connect } = begin(command);
      const input = { tenantId: id, limits };
      const { setTenantLimits } = await connect("platform").request<{ readonly setTenantLimits: Changed }>(LIMIT, {
        input,
      });
      noteUnshown(out, setTenantLimits);
      out.show(setTenantLimits.tenant, () => out.line(`the limits of tenant ${id} are set`));
    });
  tenant
    .command("retention")
    .description("replace how long your tenant's telemetry is kept; [] keeps everything")
    .argument(
      "<json>",
      'a list of {"resolution": RAW, MINUTE, HOUR or DAY, "metric", "days"}, or a file of it',
      jsonOrFile,
    )
    .action(async (rules: unknown, _: object, command: Command) => {
      if (!Array.isArray(rules)) {
        throw new UsageError('retention is a list of rules, such as \'[{"resolution": "RAW", "days": 30}]\'');
      }
      const { out, connect } = begin(command);
      const { setRetention } = await connect("tenant").request<{ readonly setRetention: Changed }>(RETAIN, {
        input: { rules: rules as readonly unknown[] },
      });
      noteUnshown(out, setRetention);
      out.show(setRetention.tenant, () => out.line(`${rules.length} retention rules are set`));
    });
}

/** Those that are set, as they would be written again. */
function limitsText(limits: Limits | null): string {
  const set = Object.entries(limits ?? {}).filter(([, value]) => value !== null);
  return set.length === 0 ? "the platform's defaults" : JSON.stringify(Object.fromEntries(set));
}

function ruleText({ resolution, metric, days }: Rule): string {
  return `${metric ?? "all"} at ${resolution}: ${days} days`;
}
