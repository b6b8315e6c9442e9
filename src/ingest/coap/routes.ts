/** Which of the paths a request is about: the platform's own (docs/reference/topics.md), or ThingsBoard's, which are those of its HTTP API. */
import type { Format } from "../codecs/format.js";
import type { UpTopic } from "../topics.js";
import type { Message } from "./message.js";
import { codeOf } from "./message.js";
import { options, values } from "./options.js";

export type Resource = UpTopic | "config/desired" | "attributes" | "core";

export interface Route {
  readonly resource: Resource;
  /** The device by its name, its key being in the query; or by a token that is its key. */
  readonly device: { readonly tenant: string; readonly device: string } | { readonly token: string } | undefined;
  /** Of telemetry whose Content-Format says nothing. */
  readonly format?: Format;
  /** What the dialect's clients take for success. */
  readonly success: number;
}

const CHANGED = codeOf("2.04");
const CREATED = codeOf("2.01");
const GET = codeOf("0.01");
const WRITES: ReadonlySet<number> = new Set([codeOf("0.02"), codeOf("0.03")]);

/** `"unknown"`: there is no such path; otherwise the methods that it has. */
export function routeOf(request: Message): Route | "unknown" | "GET" | "POST, PUT" {
  const path = values(request, options.uriPath).map((part) => part.toString("utf8"));
  const isRead = request.code === GET;
  const isWrite = WRITES.has(request.code);
  const [first, second = "", third = "", ...rest] = path;
  const name = rest.join("/");
  if (first === ".well-known" && second === "core" && path.length === 2) {
    return isRead ? { resource: "core", device: undefined, success: CHANGED } : "GET";
  }
  if (first === "v1") {
    const device = { tenant: second, device: third };
    switch (name) {
      case "telemetry":
      case "health":
      case "config/reported":
        return isWrite ? { resource: name, device, success: CHANGED } : "POST, PUT";
      case "config/desired":
        return isRead ? { resource: name, device, success: CHANGED } : "GET";
      default:
        return "unknown";
    }
  }
  if (first !== "api" || second !== "v1") return "unknown";
  const device = { token: third };
  if (name === "telemetry") {
    return isWrite ? { resource: name, device, format: "thingsboard", success: CREATED } : "POST, PUT";
  }
  if (name !== "attributes") return "unknown";
  if (isRead) return { resource: "attributes", device, success: CHANGED };
  return isWrite ? { resource: "health", device, success: CREATED } : "POST, PUT";
}

/** The first value of a query parameter. */
export function queryOf(request: Message, name: string): string | undefined {
  const prefix = `${name}=`;
  for (const bytes of values(request, options.uriQuery)) {
    const text = bytes.toString("utf8");
    if (text.startsWith(prefix)) return text.slice(prefix.length);
  }
  return undefined;
}
