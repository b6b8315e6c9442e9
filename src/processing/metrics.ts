import { Counter, Gauge } from "../platform/metrics.js";
import type { Registry } from "../platform/metrics.js";
import type { Outcome } from "./alert-commands.js";
import type { Counts } from "./rules/evaluation.js";
import type { Transition } from "./rules/transition.js";

export interface ProcessorMetrics {
  frame(readings: number, counts: Counts): void;
  transition(transition: Transition): void;
  settled(transition: Transition, outcome: Outcome): void;
  snapshot(documents: number): void;
}

export interface Levels {
  readonly lag: number;
  readonly rules: number;
  readonly watched: number;
  readonly owed: number;
}

export function createProcessorMetrics(registry: Registry, levels: () => Levels): ProcessorMetrics {
  const registers = [registry];
  const readings = new Counter({
    name: "fleetlog_processed_readings_total",
    help: "Readings that the processor has looked at.",
    registers,
  });
  const evaluated = new Counter({
    name: "fleetlog_rules_evaluated_total",
    help: "Judgements: one for each rule that a reading concerns.",
    registers,
  });
  const late = new Counter({
    name: "fleetlog_late_readings_total",
    help: "Readings that came after a newer one of their device and so raised and resolved nothing.",
    registers,
  });
  const transitions = new Counter({
    name: "fleetlog_alert_transitions_total",
    help: "Alerts raised and resolved by rules.",
    labelNames: ["command"],
    registers,
  });
  const commands = new Counter({
    name: "fleetlog_alert_commands_total",
    help: "What became of the processor's commands.",
    labelNames: ["command", "outcome"],
    registers,
  });
  const snapshots = new Counter({
    name: "fleetlog_rule_states_written_total",
    help: "Documents of rule state that were stored.",
    registers,
  });
  gauge("fleetlog_processor_lag_messages", "Frames that wait to be evaluated.", () => levels().lag);
  gauge("fleetlog_rules", "Alert rules in force.", () => levels().rules);
  gauge("fleetlog_rule_states", "Pairs of rule and device where something is remembered.", () => levels().watched);
  gauge(
    "fleetlog_alert_transitions_owed",
    "Transitions that the event store has not accepted yet.",
    () => levels().owed,
  );

  function gauge(name: string, help: string, level: () => number): Gauge {
    return new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(level());
      },
    });
  }

  return {
    frame(count, counts) {
      readings.inc(count);
      if (counts.evaluated > 0) evaluated.inc(counts.evaluated);
      if (counts.late > 0) late.inc(counts.late);
    },
    transition: ({ command }) => transitions.inc({ command: command.type }),
    settled: ({ command }, outcome) => commands.inc({ command: command.type, outcome }),
    snapshot: (documents) => snapshots.inc(documents),
  };
}
