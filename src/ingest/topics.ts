/** The topics of docs/reference/topics.md. The HTTP door has the same paths. */
import { refusal } from "./pipeline/refusal.js";
import type { Refusal } from "./pipeline/refusal.js";

/** What may come up from a device. */
export type UpTopic = "telemetry" | "health" | "config/reported";

export function upTopic(tenant: string, device: string, topic: UpTopic): string {
  return `v1/${tenant}/${device}/${topic}`;
}

export function desiredConfigurationTopic(tenant: string, device: string): string {
  return `v1/${tenant}/${device}/config/desired`;
}

/** Which of the device's own topics it is, or the rule that it breaks. */
export function classifyTopic(topic: string, tenant: string, device: string): UpTopic | Refusal {
  const prefix = `v1/${tenant}/${device}/`;
  if (!topic.startsWith(prefix)) {
    return refusal(
      "TOPIC_NOT_ALLOWED",
      `${shown(topic)} is not a topic of this device: it may publish below ${prefix} only`,
    );
  }
  const rest = topic.slice(prefix.length);
  switch (rest) {
    case "telemetry":
    case "health":
    case "config/reported":
      return rest;
    case "config/desired":
      return refusal("TOPIC_NOT_ALLOWED", `${shown(topic)} is sent to devices, not by them: report on config/reported`);
    default:
      if (/^commands\/[^/]+\/reply$/u.test(rest) || rest === "ota/status") {
        return refusal(
          "TOPIC_NOT_ALLOWED",
          `${shown(topic)} is reserved for commands and updates, which are not built yet`,
        );
      }
      return refusal(
        "TOPIC_NOT_ALLOWED",
        `${shown(topic)} is not a topic that the platform knows: use ${prefix}telemetry, ${prefix}health or ${prefix}config/reported`,
      );
  }
}

const DOWN_TOPICS = ["config/desired", "commands/+", "ota/update"];

/** Whether a device may subscribe: its filter must name its own prefix letter by letter. */
export function checkFilter(filter: string, tenant: string, device: string): Refusal | undefined {
  const prefix = `v1/${tenant}/${device}/`;
  const rest = filter.startsWith(prefix) ? filter.slice(prefix.length) : "";
  const levels = rest.split("/");
  const wellFormed = levels.every(
    (level, index) =>
      level === "+" || (level === "#" ? index === levels.length - 1 : level !== "" && !/[+#]/u.test(level)),
  );
  if (rest !== "" && wellFormed) return undefined;
  return refusal(
    "TOPIC_NOT_ALLOWED",
    `${shown(filter)} is not granted: a device may subscribe to ${DOWN_TOPICS.join(", ")} or # below ${prefix}`,
  );
}

/** MQTT's matching (version 5, section 4.7), for filters that `checkFilter` has passed. */
export function filterMatches(filter: string, topic: string): boolean {
  const wanted = filter.split("/");
  const levels = topic.split("/");
  for (const [index, level] of wanted.entries()) {
    if (level === "#") return true;
    if (index >= levels.length || (level !== "+" && level !== levels[index])) return false;
  }
  return wanted.length === levels.length;
}

function shown(topic: string): string {
  return JSON.stringify(topic.length > 120 ? `${topic.slice(0, 120)}…` : topic);
}
