/**
 * ThingsBoard's MQTT APIs for devices and gateways (thingsboard.io/docs/reference/mqtt-api and …/gateway-mqtt-api), so that
 * its devices move over by changing the address. Client attributes are health reports; shared attributes are the
 * configuration that the device should have.
 */
import { decodeGatewayAttributes, decodeGatewayTelemetry, decodeObject } from "../codecs/thingsboard.js";
import type { DeviceAccess } from "../registry/device-access.js";
import type { Done, Source } from "../ingest.js";
import { refusal } from "../pipeline/refusal.js";
import type { Refusal } from "../pipeline/refusal.js";
import type { ThingsBoardTopic } from "../topics.js";
import { gather } from "./gather.js";
import type { Speaking } from "./speaking.js";

type Child = DeviceAccess | Refusal;
type Attributes = Readonly<Record<string, unknown>>;

interface Meaning {
  readonly what: ThingsBoardTopic;
  readonly requestId?: string;
}

export class ThingsBoard {
  readonly #speaking: Speaking;

  constructor(speaking: Speaking) {
    this.#speaking = speaking;
  }

  /** A promise where devices must be looked up; it rejects when the registry does not answer. */
  take({ what, requestId = "" }: Meaning, payload: Buffer, source: Source, done: Done): void | Promise<void> {
    switch (what) {
      case "attributes-request":
        return this.#answerRequest(requestId, payload, source, done);
      case "gateway-connect":
      case "gateway-disconnect":
        return this.#presence(what, payload, source, done);
      case "gateway-telemetry":
        return this.#telemetry(payload, source, done);
      case "gateway-attributes":
        return this.#attributes(payload, source, done);
      case "gateway-attributes-request":
        return this.#answerGatewayRequest(payload, source, done);
    }
  }

  /** `{"clientKeys": "a,b", "sharedKeys": "c"}`; without `sharedKeys`, and without `clientKeys`, all of them. */
  #answerRequest(requestId: string, payload: Buffer, source: Source, done: Done): void {
    const { deps } = this.#speaking;
    const access = this.#speaking.access();
    const asked = payload.length === 0 ? { ok: true as const, value: {} } : decodeObject(payload);
    if (!asked.ok) return deps.ingest.refuse(access, asked.refusal, payload, source, done);
    const answer = attributesAnswer(access, asked.value);
    deps.send(`v1/devices/me/attributes/response/${requestId}`, JSON.stringify(answer));
    return done(NOTHING_STORED);
  }

  /** `{"device": "Device A"}` */
  #presence(
    what: "gateway-connect" | "gateway-disconnect",
    payload: Buffer,
    source: Source,
    done: Done,
  ): void | Promise<void> {
    const { children, deps } = this.#speaking;
    const gateway = this.#speaking.access();
    const named = deviceIn(payload);
    if (typeof named !== "string") return deps.ingest.refuse(gateway, named, payload, source, done);
    return after(children.byName(gateway, named), (child) => {
      if ("code" in child) return deps.ingest.refuse(gateway, child, payload, source, done);
      if (what === "gateway-connect") children.heard(child, named);
      else children.gone(child);
      return done(NOTHING_STORED);
    });
  }

  #telemetry(payload: Buffer, source: Source, done: Done): void | Promise<void> {
    const { children, deps } = this.#speaking;
    const gateway = this.#speaking.access();
    const shares = decodeGatewayTelemetry(payload);
    if ("code" in shares) return deps.ingest.refuse(gateway, shares, payload, source, done);
    const names = shares.map(({ name }) => name);
    return after(this.#find(names), (found) => {
      const dones = gather(names, done);
      for (const [index, { name, content }] of shares.entries()) {
        const child = found[index];
        const told = dones[index] ?? done;
        if (child === undefined || "code" in child) {
          const form =
            "code" in content ? {} : { form: { as: "measurements", measurements: content, child: name } as const };
          deps.ingest.refuse(gateway, child ?? nobody(name), payload, { ...source, ...form }, told);
        } else if ("code" in content) {
          deps.ingest.refuse(child, content, payload, source, told);
        } else {
          children.heard(child, name);
          deps.ingest.acceptMeasurements(child, content, payload, source, told);
        }
      }
    });
  }

  #attributes(payload: Buffer, source: Source, done: Done): void | Promise<void> {
    const { children, deps } = this.#speaking;
    const gateway = this.#speaking.access();
    const shares = decodeGatewayAttributes(payload);
    if ("code" in shares) return deps.ingest.refuse(gateway, shares, payload, source, done);
    const names = shares.map(({ name }) => name);
    return after(this.#find(names), (found) => {
      const dones = gather(names, done);
      for (const [index, { name, content }] of shares.entries()) {
        const child = found[index];
        const told = dones[index] ?? done;
        if (!content.ok) {
          const [whose, why] =
            child === undefined || "code" in child ? [gateway, child ?? nobody(name)] : [child, content.refusal];
          deps.ingest.refuse(whose, why, payload, source, told);
          continue;
        }
        const share = Buffer.from(JSON.stringify(content.value));
        if (child === undefined || "code" in child) {
          const form = { as: "message", topic: "health", child: name } as const;
          deps.ingest.refuse(gateway, child ?? nobody(name), share, { ...source, form }, told);
        } else {
          children.heard(child, name);
          deps.ingest.accept("health", child, share, source, told);
        }
      }
    });
  }

  /** `{"id": 1, "device": "Device A", "client": false, "key": "a"}`, or `"keys": ["a", "b"]`. */
  #answerGatewayRequest(payload: Buffer, source: Source, done: Done): void | Promise<void> {
    const { children, deps } = this.#speaking;
    const gateway = this.#speaking.access();
    const asked = decodeObject(payload);
    const named = deviceIn(payload);
    if (!asked.ok) return deps.ingest.refuse(gateway, asked.refusal, payload, source, done);
    if (typeof named !== "string") return deps.ingest.refuse(gateway, named, payload, source, done);
    const { id, client, key, keys } = asked.value as Readonly<Record<"id" | "client" | "key" | "keys", unknown>>;
    return after(children.byName(gateway, named), (child) => {
      if ("code" in child) return deps.ingest.refuse(gateway, child, payload, source, done);
      children.heard(child, named);
      const wanted = Array.isArray(keys) ? keys.map(String) : [String(key)];
      const values = client === true ? {} : pick(child.configuration.config, wanted);
      const answer = Array.isArray(keys)
        ? { id, device: named, values }
        : { id, device: named, value: values[String(key)] };
      deps.send("v1/gateway/attributes/response", JSON.stringify(answer));
      return done(NOTHING_STORED);
    });
  }

  /** In the order of the names; at once where all are known. */
  #find(names: readonly string[]): readonly Child[] | Promise<readonly Child[]> {
    const gateway = this.#speaking.access();
    const found = names.map((name) => this.#speaking.children.byName(gateway, name));
    if (!found.some((child) => child instanceof Promise)) return found as readonly Child[];
    return Promise.all(found.map((child) => Promise.resolve(child)));
  }
}

const NOTHING_STORED = { kind: "stored", readings: 0 } as const;

/** What ThingsBoard answers to a request for attributes. What the device itself has said of itself is not kept here to be asked back. */
export function attributesAnswer(
  { configuration }: DeviceAccess,
  { clientKeys, sharedKeys }: { readonly clientKeys?: unknown; readonly sharedKeys?: unknown },
): { readonly client?: Attributes; readonly shared?: Attributes } {
  const client = typeof clientKeys === "string" ? { client: {} } : {};
  if (typeof sharedKeys === "string") return { ...client, shared: pick(configuration.config, sharedKeys.split(",")) };
  return clientKeys === undefined ? { shared: configuration.config } : client;
}

function pick(from: Attributes, keys: readonly string[]): Attributes {
  const wanted = new Set(keys.map((key) => key.trim()));
  return Object.fromEntries(Object.entries(from).filter(([key]) => wanted.has(key)));
}

function deviceIn(payload: Buffer): string | Refusal {
  const read = decodeObject(payload);
  if (!read.ok) return read.refusal;
  const { device } = read.value as { readonly device?: unknown };
  if (typeof device === "string" && device !== "") return device;
  return refusal("MALFORMED_PAYLOAD", 'device: expected the name of a device, as in {"device": "Pump 7"}');
}

function nobody(name: string): Refusal {
  return refusal("FORBIDDEN", `there is no device ${JSON.stringify(name.slice(0, 80))}`);
}

/** Goes on at once where it can. */
function after<T>(value: T | Promise<T>, goOn: (value: T) => void): void | Promise<void> {
  return value instanceof Promise ? value.then(goOn) : goOn(value);
}
