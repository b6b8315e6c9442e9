/** The topics of docs/reference/topics.md. The HTTP and CoAP doors have the same paths. */
import { formatOfSuffix, formatSuffixes } from "./codecs/format.js";
import type { Format } from "./codecs/format.js";
import { refusal } from "./pipeline/refusal.js";
import type { Refusal } from "./pipeline/refusal.js";

/** What may come up from a device. */
export type UpTopic = "telemetry" | "health" | "config/reported";

/** What a message on a topic is about: the speaker itself, another device of its tenant, or several in a foreign dialect. */
export type TopicMeaning =
  | { readonly about: "self"; readonly kind: UpTopic; readonly format?: Format }
  /** The speaker must be its gateway. */
  | { readonly about: "other"; readonly device: string; readonly kind: UpTopic; readonly format?: Format }
  | { readonly about: "thingsboard"; readonly what: ThingsBoardTopic; readonly requestId?: string }
  | { readonly about: "sparkplug"; readonly topic: SparkplugTopic };

/** Beside `v1/devices/me/telemetry` and `…/attributes`, which are the device's own telemetry and health in other words. */
export type ThingsBoardTopic =
  | "attributes-request"
  | "gateway-connect"
  | "gateway-disconnect"
  | "gateway-telemetry"
  | "gateway-attributes"
  | "gateway-attributes-request";

/** Sparkplug 3.0, chapter 4: `spBv1.0/{group}/{type}/{node}[/{device}]`. */
export interface SparkplugTopic {
  readonly group: string;
  readonly type: "NBIRTH" | "NDATA" | "NDEATH" | "DBIRTH" | "DDATA" | "DDEATH";
  readonly node: string;
  readonly device?: string;
}

/** The ids of docs/reference/topics.md; what becomes of a topic's level must be one. */
const ID = /^[A-Za-z0-9_-]{1,64}$/u;

const OWN: Readonly<Record<UpTopic, TopicMeaning>> = {
  telemetry: { about: "self", kind: "telemetry" },
  health: { about: "self", kind: "health" },
  "config/reported": { about: "self", kind: "config/reported" },
};

const THINGSBOARD: Readonly<Record<string, TopicMeaning>> = {
  "v1/devices/me/telemetry": { about: "self", kind: "telemetry", format: "thingsboard" },
  "v1/devices/me/attributes": { about: "self", kind: "health" },
  "v1/gateway/connect": { about: "thingsboard", what: "gateway-connect" },
  "v1/gateway/disconnect": { about: "thingsboard", what: "gateway-disconnect" },
  "v1/gateway/telemetry": { about: "thingsboard", what: "gateway-telemetry" },
  "v1/gateway/attributes": { about: "thingsboard", what: "gateway-attributes" },
  "v1/gateway/attributes/request": { about: "thingsboard", what: "gateway-attributes-request" },
};

export function upTopic(tenant: string, device: string, topic: UpTopic): string {
  return `v1/${tenant}/${device}/${topic}`;
}

export function desiredConfigurationTopic(tenant: string, device: string): string {
  return `v1/${tenant}/${device}/config/desired`;
}

/** What a message of the device on this topic means, or the rule that the topic breaks. */
export function classifyTopic(topic: string, tenant: string, device: string): TopicMeaning | Refusal {
  const prefix = `v1/${tenant}/${device}/`;
  if (topic.startsWith(prefix)) return classifyOwn(topic, topic.slice(prefix.length), prefix);
  if (Object.hasOwn(THINGSBOARD, topic)) return THINGSBOARD[topic] ?? unknown(topic, prefix);
  if (topic.startsWith("v1/devices/me/") || topic.startsWith("v1/gateway/")) return classifyThingsBoard(topic);
  if (topic.startsWith("spBv1.0/")) return classifySparkplug(topic);
  return classifyOther(topic, tenant, device);
}

function classifyOwn(topic: string, rest: string, prefix: string): TopicMeaning | Refusal {
  switch (rest) {
    case "telemetry":
    case "health":
    case "config/reported":
      return OWN[rest];
    case "config/desired":
      return refusal("TOPIC_NOT_ALLOWED", `${shown(topic)} is sent to devices, not by them: report on config/reported`);
    default:
      break;
  }
  if (rest.startsWith("telemetry/")) {
    const format = formatOfSuffix(rest.slice("telemetry/".length));
    if (format !== undefined) return { about: "self", kind: "telemetry", format };
    return refusal("TOPIC_NOT_ALLOWED", `${shown(topic)} names no form: it is one of ${formatSuffixes.join(", ")}`);
  }
  if (/^commands\/[^/]+\/reply$/u.test(rest) || rest === "ota/status") {
    return refusal(
      "TOPIC_NOT_ALLOWED",
      `${shown(topic)} is reserved for commands and updates, which are not built yet`,
    );
  }
  return unknown(topic, prefix);
}

function unknown(topic: string, prefix: string): Refusal {
  return refusal(
    "TOPIC_NOT_ALLOWED",
    `${shown(topic)} is not a topic that the platform knows: use ${prefix}telemetry, ${prefix}health or ${prefix}config/reported`,
  );
}

/** A topic of another device of the same tenant: its gateway may speak there, and whether the speaker is that is asked later. */
function classifyOther(topic: string, tenant: string, speaker: string): TopicMeaning | Refusal {
  const prefix = `v1/${tenant}/`;
  const slash = topic.startsWith(prefix) ? topic.indexOf("/", prefix.length) : -1;
  const device = topic.slice(prefix.length, slash);
  if (slash < 0 || !ID.test(device)) {
    return refusal(
      "TOPIC_NOT_ALLOWED",
      `${shown(topic)} is not a topic of this device: it may publish below ${prefix}${speaker}/ only, a gateway also below those of its devices`,
    );
  }
  const meaning = classifyOwn(topic, topic.slice(slash + 1), topic.slice(0, slash + 1));
  if ("code" in meaning || meaning.about !== "self") return meaning;
  return { ...meaning, about: "other", device };
}

function classifyThingsBoard(topic: string): TopicMeaning | Refusal {
  const [, requestId] = /^v1\/devices\/me\/attributes\/request\/([^/]{1,64})$/u.exec(topic) ?? [];
  if (requestId !== undefined) return { about: "thingsboard", what: "attributes-request", requestId };
  const isNotBuilt = /^v1\/(?:devices\/me|gateway)\/(?:rpc|claim)(?:\/|$)/u.test(topic);
  return refusal(
    "TOPIC_NOT_ALLOWED",
    isNotBuilt
      ? `${shown(topic)} is for ThingsBoard's RPC and claiming, which are not built yet`
      : `${shown(topic)} is not a topic of ThingsBoard's that the platform knows: docs/guides/thingsboard.md lists them`,
  );
}

function classifySparkplug(topic: string): TopicMeaning | Refusal {
  const [, group = "", type = "", node = "", device, more] = topic.split("/");
  const isNode = type === "NBIRTH" || type === "NDATA" || type === "NDEATH";
  const isDevice = type === "DBIRTH" || type === "DDATA" || type === "DDEATH";
  if (group !== "" && node !== "" && more === undefined) {
    if (isNode && device === undefined) return { about: "sparkplug", topic: { group, type, node } };
    if (isDevice && device !== undefined && device !== "")
      return { about: "sparkplug", topic: { group, type, node, device } };
  }
  return refusal(
    "TOPIC_NOT_ALLOWED",
    `${shown(topic)} is no Sparkplug topic that an edge node publishes: use spBv1.0/{group}/NBIRTH|NDATA|NDEATH/{node} or spBv1.0/{group}/DBIRTH|DDATA|DDEATH/{node}/{device}`,
  );
}

const DOWN_TOPICS = ["config/desired", "commands/+", "ota/update"];

/** Filters of ThingsBoard's and Sparkplug's clients. What is not built yet is granted, and stays silent: their clients subscribe to all of it at once. */
const FOREIGN_FILTERS = [
  /^v1\/devices\/me\/(?:attributes|attributes\/response\/[^/#]+|rpc\/request\/[^/#]+|rpc\/response\/[^/#]+)$/u,
  /^v1\/gateway\/(?:attributes|attributes\/response|rpc)$/u,
  /^spBv1\.0\/[^/+#]+\/NCMD\/[^/+#]+(?:\/#)?$/u,
  /^spBv1\.0\/[^/+#]+\/DCMD\/[^/+#]+\/(?:[^/#]+|#)$/u,
  /^(?:spBv1\.0\/)?STATE\/[^/#]+$/u,
];

/** What a subscription asks for. */
export type FilterMeaning =
  /** The device's own topics, or those of a dialect, which carry only what is the device's own. */
  | { readonly about: "self" }
  /** Another device's: granted to its gateway. */
  | { readonly about: "other"; readonly device: string }
  /** `v1/{tenant}/+/…`: of the device and of those that it speaks for. */
  | { readonly about: "all" };

/** Whether a device may subscribe: beside the dialects' topics its filter must name its tenant letter by letter. */
export function classifyFilter(filter: string, tenant: string, device: string): FilterMeaning | Refusal {
  if (FOREIGN_FILTERS.some((pattern) => pattern.test(filter))) return { about: "self" };
  const prefix = `v1/${tenant}/`;
  const [named = "", ...levels] = filter.startsWith(prefix) ? filter.slice(prefix.length).split("/") : [];
  const wellFormed =
    levels.length > 0 &&
    levels.every(
      (level, index) =>
        level === "+" || (level === "#" ? index === levels.length - 1 : level !== "" && !/[+#]/u.test(level)),
    );
  if (wellFormed && named === device) return { about: "self" };
  if (wellFormed && named === "+") return { about: "all" };
  if (wellFormed && ID.test(named)) return { about: "other", device: named };
  return refusal(
    "TOPIC_NOT_ALLOWED",
    `${shown(filter)} is not granted: a device may subscribe to ${DOWN_TOPICS.join(", ")} or # below ${prefix}${device}/`,
  );
}

/** For those who speak for themselves only. */
export function checkFilter(filter: string, tenant: string, device: string): Refusal | undefined {
  const meaning = classifyFilter(filter, tenant, device);
  if ("code" in meaning) return meaning;
  return meaning.about === "other" ? notYours(filter, device) : undefined;
}

export function notYours(topicOrFilter: string, speaker: string): Refusal {
  return refusal(
    "TOPIC_NOT_ALLOWED",
    `${shown(topicOrFilter)} is not granted: ${speaker} is not the gateway of that device`,
  );
}

/** MQTT's matching (version 5, section 4.7), for filters that `classifyFilter` has passed. */
export function filterMatches(filter: string, topic: string): boolean {
  const wanted = filter.split("/");
  const levels = topic.split("/");
  for (const [index, level] of wanted.entries()) {
    if (level === "#") return true;
    if (index >= levels.length || (level !== "+" && level !== levels[index])) return false;
  }
  return wanted.length === levels.length;
}

export function shown(topic: string): string {
  return JSON.stringify(topic.length > 120 ? `${topic.slice(0, 120)}…` : topic);
}
