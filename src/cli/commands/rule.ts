import type { Command } from "commander";
import { FleetlogError } from "../../platform/errors.js";
import { count } from "../arguments.js";
import type { Begin } from "../cli.js";
import { take } from "../pages.js";
import { noteUnshown } from "../shown.js";
import type { RuleOptions } from "./rule-input.js";
import { changedRule, judging, newRule } from "./rule-input.js";
import { CREATE_RULE, DISABLE_RULE, ENABLE_RULE, RULE, RULES, UPDATE_RULE, conditionText } from "./rule-queries.js";
import type { Rule } from "./rule-queries.js";

interface RulePayload {
  readonly shown: boolean;
  readonly alertRule: Rule | null;
}

export function addRuleCommands(program: Command, begin: Begin): void {
  const rule = program.command("rule").description("when alerts are raised");
  judging(rule.command("create <name>").description("a rule on a metric; it is in force within 2 s"))
    .option("--description <text>")
    .action(async (name: string, options: RuleOptions, command: Command) => {
      const { out, connect } = begin(command);
      const input = newRule(name, options);
      const { createAlertRule } = await connect("tenant").request<{ readonly createAlertRule: RulePayload }>(
        CREATE_RULE,
        { input },
      );
      noteUnshown(out, createAlertRule);
      const created = createAlertRule.alertRule;
      out.show(created, () =>
        out.line(created === null ? "the rule is stored" : `rule ${created.ruleId}: ${conditionText(created)}`),
      );
    });
  judging(rule.command("update <id>").description("change a rule; what is left out stays as it is"))
    .option("--name <name>")
    .option("--description <text>")
    .action(async (ruleId: string, options: RuleOptions & { readonly name?: string }, command: Command) => {
      const { out, connect } = begin(command);
      const client = connect("tenant");
      const { alertRule } = await client.request<{ readonly alertRule: Rule | null }>(RULE, { ruleId });
      if (alertRule === null) throw new FleetlogError("NOT_FOUND", `there is no rule ${ruleId} in this tenant`);
      const input = { ruleId, name: options.name, ...changedRule(alertRule, options) };
      const { updateAlertRule } = await client.request<{ readonly updateAlertRule: RulePayload }>(UPDATE_RULE, {
        input,
      });
      noteUnshown(out, updateAlertRule);
      const updated = updateAlertRule.alertRule;
      out.show(updated, () =>
        out.line(
          updated === null ? "the rule is stored" : `rule ${ruleId} v${updated.version}: ${conditionText(updated)}`,
        ),
      );
    });
  rule
    .command("list")
    .option("--enabled", "those in force only")
    .option("--metric <metric>", "on this metric")
    .option("--limit <n>", "so many at most", count, 100)
    .action(
      async (
        options: { readonly enabled?: true; readonly metric?: string; readonly limit: number },
        command: Command,
      ) => {
        const { out, connect } = begin(command);
        const { limit, ...filter } = options;
        const { nodes, more } = await take<Rule>(connect("tenant"), RULES, { filter }, "alertRules", limit);
        out.show(nodes, () =>
          out.table<Rule>(
            [
              { title: "RULE", of: (row) => row.ruleId },
              { title: "NAME", of: (row) => row.name },
              { title: "ENABLED", of: (row) => (row.enabled ? "yes" : "no") },
              { title: "SEVERITY", of: (row) => row.severity },
              { title: "CONDITION", of: conditionText },
              { title: "VERSION", of: (row) => row.version },
            ],
            nodes,
          ),
        );
        if (more) out.note(`there are more than these ${nodes.length}: raise --limit`);
      },
    );
  turn("enable", ENABLE_RULE, "enableAlertRule", "put it in force");
  turn("disable", DISABLE_RULE, "disableAlertRule", "take it out of force; its open alerts are resolved");

  function turn(verb: string, mutation: string, field: string, description: string): void {
    rule
      .command(`${verb} <id>`)
      .description(description)
      .action(async (ruleId: string, _: object, command: Command) => {
        const { out, connect } = begin(command);
        const answer = await connect("tenant").request<Record<string, RulePayload>>(mutation, { input: { ruleId } });
        const payload = answer[field];
        if (payload === undefined) throw new FleetlogError("INTERNAL", `the answer to ${field} is empty`);
        noteUnshown(out, payload);
        out.show(payload.alertRule, () => out.line(`rule ${ruleId} is ${verb}d`));
      });
  }
}
