import type { Command } from "commander";
import { Option } from "commander";
import { finite, list, seconds } from "../arguments.js";
import { UsageError } from "../problem.js";
import type { Rule } from "./rule-queries.js";

/** What a rule judges by, as it is typed. */
export interface RuleOptions {
  readonly metric?: string;
  readonly above?: number;
  readonly atLeast?: number;
  readonly below?: number;
  readonly atMost?: number;
  readonly clear?: number;
  readonly for?: number;
  readonly severity?: string;
  readonly cooldown?: number;
  readonly description?: string;
  readonly device?: readonly string[];
  readonly type?: readonly string[];
  readonly site?: readonly string[];
}

/** Adds the options of `RuleOptions`. */
export function judging(command: Command): Command {
  return command
    .option("--metric <metric>", "what it watches")
    .option("--above <n>", "raise above this", finite)
    .option("--at-least <n>", "raise at this or above", finite)
    .option("--below <n>", "raise below this", finite)
    .option("--at-most <n>", "raise at this or below", finite)
    .option("--clear <n>", "resolve only when it is back beyond this (of a new rule: the threshold)", finite)
    .addOption(duration("--for <duration>", "it must hold so long, in device time (of a new rule: 0s)"))
    .option("--severity <severity>", "LOW, MEDIUM, HIGH or CRITICAL (of a new rule: MEDIUM)", (text) =>
      text.toUpperCase(),
    )
    .addOption(
      duration(
        "--cooldown <duration>",
        "no new alert on the device for so long after one was raised (of a new rule: 0s)",
      ),
    )
    .option("--device <ids>", "these devices only", list)
    .option("--type <types>", "devices of these types only", list)
    .option("--site <sites>", "devices at these sites only", list);
}

function duration(flags: string, description: string): Option {
  return new Option(flags, description).argParser(seconds);
}

export function newRule(name: string, options: RuleOptions): object {
  const threshold = thresholdOf(options);
  if (options.metric === undefined) throw new UsageError("which metric? Give --metric");
  if (threshold === undefined) throw new UsageError("give one of --above, --at-least, --below and --at-most");
  return {
    name,
    description: options.description,
    severity: options.severity ?? "MEDIUM",
    cooldownSeconds: options.cooldown ?? 0,
    filter: filterOf(options),
    condition: { ...threshold, metric: options.metric, clearThreshold: options.clear, forSeconds: options.for ?? 0 },
  };
}

/** The changes, for the version of the rule that they were made of: should somebody else be first, nothing is overwritten. */
export function changedRule(rule: Rule, options: RuleOptions): object {
  const { condition, filter, version } = rule;
  const threshold = thresholdOf(options);
  const judged = [options.metric, threshold, options.clear, options.for].some((option) => option !== undefined);
  const filtered = [options.device, options.type, options.site].some((option) => option !== undefined);
  return {
    expectedVersion: version,
    description: options.description,
    severity: options.severity,
    cooldownSeconds: options.cooldown,
    filter: filtered ? { ...filter, ...given(filterOf(options)) } : undefined,
    condition: judged
      ? {
          ...condition,
          // Beyond another threshold the old one to clear at may be none.
          ...(threshold === undefined ? {} : { ...threshold, clearThreshold: null }),
          ...given({ metric: options.metric, clearThreshold: options.clear, forSeconds: options.for }),
        }
      : undefined,
  };
}

function filterOf({ device, type, site }: RuleOptions) {
  return { deviceIds: device, deviceTypes: type, sites: site };
}

function thresholdOf(options: RuleOptions): { readonly operator: string; readonly threshold: number } | undefined {
  const candidates = [
    { operator: "GT", threshold: options.above },
    { operator: "GTE", threshold: options.atLeast },
    { operator: "LT", threshold: options.below },
    { operator: "LTE", threshold: options.atMost },
  ];
  const [first, ...others] = candidates.flatMap(({ operator, threshold }) =>
    threshold === undefined ? [] : [{ operator, threshold }],
  );
  if (others.length > 0) throw new UsageError("give one of --above, --at-least, --below and --at-most");
  return first;
}

function given(fields: Readonly<Record<string, unknown>>): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
