/** What a CoAP request is about, who asks, and what it is answered: the paths of docs/reference/topics.md. */
import { messageOf } from "../../platform/errors.js";
import type { Logger } from "../../platform/logger.js";
import { formatOfContentFormat } from "../codecs/format.js";
import type { Format } from "../codecs/format.js";
import type { DeviceAccess } from "../registry/device-access.js";
import type { Ingest, Outcome, Source } from "../ingest.js";
import { attributesAnswer } from "../gateways/thingsboard.js";
import { loginWithKey, loginWithToken } from "../registry/key-login.js";
import type { Caller } from "../registry/key-login.js";
import { refusal } from "../pipeline/refusal.js";
import type { Refusal } from "../pipeline/refusal.js";
import type { Registry } from "../registry/registry.js";
import type { UpTopic } from "../topics.js";
import { answer, ofOutcome, refused, stranger, strangerRefused, unavailable } from "./answers.js";
import type { Assemblies } from "./assembly.js";
import type { Handler, Peer, Response } from "./endpoint.js";
import { codeOf } from "./message.js";
import type { Message, Option } from "./message.js";
import type { Observers } from "./observers.js";
import { badOption, block, blockOption, options, toUint, uint, uintOption, value, values } from "./options.js";
import { desiredConfiguration, inBlocks, JSON_FORMAT } from "./representation.js";
import { queryOf, routeOf } from "./routes.js";
import type { Route } from "./routes.js";

export interface ResourcesDeps {
  readonly ingest: Ingest;
  readonly registry: Registry;
  readonly logger: Logger;
  readonly maxPayloadBytes: number;
  readonly assemblies: Assemblies;
  readonly observers: () => Observers;
}

/** RFC 6690, 40. What a stranger is told may not be much longer than the question: nobody's flood is made of our answers. */
const LINKS = Buffer.from('</v1>;title="Fleetlog"');
const LINK_FORMAT = 40;

export function createResources(deps: ResourcesDeps): Handler {
  const { ingest, registry, logger, maxPayloadBytes, assemblies } = deps;
  const loginDeps = { registry, counters: ingest.counters, logger, door: "coap" } as const;

  async function handle(request: Message, peer: Peer): Promise<Response> {
    const bad = badOption(request);
    if (bad !== undefined) {
      return [options.proxyUri as number, options.proxyScheme].includes(bad)
        ? stranger("5.05", "no proxy")
        : stranger("4.02", `option ${bad}`);
    }
    if (value(request, options.proxyUri) !== undefined || value(request, options.proxyScheme) !== undefined) {
      return stranger("5.05", "no proxy");
    }
    const route = routeOf(request);
    if (route === "unknown") return stranger("4.04", "no such path");
    if (typeof route === "string") return stranger("4.05", `it has ${route}`);
    const { resource, device } = route;
    if (resource === "core" || device === undefined) {
      return { ...stranger("2.05", ""), payload: LINKS, options: [uintOption(options.contentFormat, LINK_FORMAT)] };
    }
    const caller = await authenticate(request, device);
    if ("code" in caller) return strangerRefused(caller);
    ingest.seen.heard(caller.access.tenantId, caller.access.deviceId);
    if (resource === "config/desired") return desired(request, peer, caller);
    if (resource === "attributes") return attributes(request, caller.access);
    return take(resource, request, peer, caller.access, route);
  }

  function authenticate(request: Message, device: NonNullable<Route["device"]>): Promise<Caller | Refusal> {
    if ("token" in device) return loginWithToken(loginDeps, device.token);
    const key = queryOf(request, "key") ?? queryOf(request, "token");
    if (key !== undefined) return loginWithKey(loginDeps, device.tenant, device.device, key);
    ingest.counters.loginRefused("coap", "no-key");
    return Promise.resolve(refusal("UNAUTHENTICATED", "the query key=… is missing"));
  }

  async function take(
    topic: UpTopic,
    request: Message,
    peer: Peer,
    access: DeviceAccess,
    { success, format: otherwise }: Route,
  ): Promise<Response> {
    const source: Source = { door: "coap", topic: `/v1/${access.tenantId}/${access.deviceId}/${topic}` };
    const named = formatOf(topic, request);
    if (typeof named === "object") {
      // One block alone is no message. Once the device's type has a codec for it, it can be taken in.
      const isWhole = value(request, options.block1) === undefined;
      const form = isWhole && topic === "telemetry" ? { form: { as: "message", topic } as const } : {};
      return kept(access, named, request.payload, { ...source, ...form });
    }
    // ThingsBoard's own clients say JSON of its forms.
    const format = otherwise !== undefined && (named ?? "json") === "json" ? otherwise : named;
    const part = block(request, options.block1);
    if (part === "malformed") return answer("4.00", "the block size is reserved");
    const announced = uint(request, options.size1);
    if (announced !== undefined && announced > maxPayloadBytes) return tooLarge(access, request, source);
    const echo: readonly Option[] = part === undefined ? [] : [blockOption(options.block1, part)];
    let { payload } = request;
    if (part !== undefined) {
      const assembled = assemblies.take(`${peer.id} ${source.topic}`, part, request.payload);
      switch (assembled.kind) {
        case "continue":
          return { code: codeOf("2.31"), options: echo, keep: true };
        case "incomplete":
          return { ...answer("4.08", "a block is missing before this one: begin again with block 0"), options: echo };
        case "malformed":
          return answer("4.00", "a block that is not the last is as long as its size says");
        case "too-large":
          return tooLarge(access, request, source);
        case "full":
          return unavailable("too many payloads are being put together: begin again later");
        case "whole":
          payload = assembled.payload;
      }
    }
    if (payload.length > maxPayloadBytes) return tooLarge(access, request, source);
    const wait = ingest.limits.take(access, payload.length);
    if (wait !== undefined) {
      const maxAge = uintOption(options.maxAge, Math.max(1, Math.ceil(wait.waitMs / 1_000)));
      // Not kept: sent again, it may fit.
      return { ...refused(refusal("LIMIT_EXCEEDED", wait.limit)), options: [maxAge], keep: false };
    }
    if (ingest.saturated) return unavailable("the storage is full: send it again later");
    const told: Source = format === undefined ? source : { ...source, format };
    const outcome = await new Promise<Outcome>((done) => ingest.accept(topic, access, payload, told, done));
    const response = ofOutcome(outcome, success);
    return { ...response, options: [...(response.options ?? []), ...echo] };
  }

  function kept(access: DeviceAccess, why: Refusal, payload: Buffer, source: Source): Promise<Response> {
    return new Promise((resolve) =>
      ingest.refuse(access, why, payload, source, (outcome) => resolve(ofOutcome(outcome))),
    );
  }

  async function tooLarge(access: DeviceAccess, request: Message, source: Source): Promise<Response> {
    const why = refusal("PAYLOAD_TOO_LARGE", `a payload has at most ${maxPayloadBytes} bytes: send several`);
    const response = await kept(access, why, request.payload, source);
    return { ...response, options: [...(response.options ?? []), uintOption(options.size1, maxPayloadBytes)] };
  }

  function desired(request: Message, peer: Peer, caller: Caller): Response {
    const observe = uint(request, options.observe);
    if (observe === 1) deps.observers().remove(peer, request.token);
    const accept = uint(request, options.accept);
    if (accept !== undefined && accept !== JSON_FORMAT) return answer("4.06", "the configuration is JSON (50)");
    const part = block(request, options.block2);
    if (part === "malformed") return answer("4.00", "the block size is reserved");
    const representation = desiredConfiguration(caller.access);
    const known = values(request, options.etag).some((etag) => etag.equals(representation.etag));
    const content = inBlocks(representation, part);
    if (content === undefined) return answer("4.00", "there is no such block");
    // Only with the first block: the others of a notification are fetched by plain requests.
    const sequence =
      observe === 0 && (part?.num ?? 0) === 0 ? deps.observers().add(peer, request.token, caller, part) : undefined;
    const observing = sequence === undefined ? [] : [uintOption(options.observe, sequence)];
    if (known) {
      const about = content.options.filter(({ number }) => number === options.etag || number === options.maxAge);
      return { code: codeOf("2.03"), options: [...about, ...observing], keep: false };
    }
    return { code: codeOf("2.05"), options: [...content.options, ...observing], payload: content.payload, keep: false };
  }

  return async (request, peer) => {
    try {
      return await handle(request, peer);
    } catch (error) {
      logger.error({ error: messageOf(error) }, "a device's CoAP request failed");
      return {
        ...refused(refusal("INTERNAL", "the request failed for a reason of ours; the log has it")),
        keep: false,
      };
    }
  };
}

/** Reports are JSON, whatever else their Content-Format would be. */
function formatOf(topic: UpTopic, request: Message): Format | undefined | Refusal {
  const given = value(request, options.contentFormat);
  const format = formatOfContentFormat(given === undefined ? undefined : toUint(given));
  if (topic !== "telemetry" && (format ?? "json") !== "json") {
    return refusal("UNSUPPORTED_FORMAT", `a report on ${topic} is JSON: Content-Format 50`);
  }
  if (format !== "unsupported") return format;
  return refusal(
    "UNSUPPORTED_FORMAT",
    "no codec reads this Content-Format: use 50 (JSON), 60 (CBOR), 110 or 112 (SenML), or 42 for the device type's own",
  );
}

function attributes(request: Message, access: DeviceAccess): Response {
  const asked = { clientKeys: queryOf(request, "clientKeys"), sharedKeys: queryOf(request, "sharedKeys") };
  const part = block(request, options.block2);
  if (part === "malformed") return answer("4.00", "the block size is reserved");
  const payload = Buffer.from(JSON.stringify(attributesAnswer(access, asked)));
  const content = inBlocks({ payload, etag: desiredConfiguration(access).etag }, part);
  if (content === undefined) return answer("4.00", "there is no such block");
  return { code: codeOf("2.05"), ...content, keep: false };
}
