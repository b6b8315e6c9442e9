/** The HTTP door for devices: the paths of the MQTT topics. 202 means stored. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { errorTable, FleetlogError, isFleetlogError, messageOf } from "../../platform/errors.js";
import type { ErrorCode } from "../../platform/errors.js";
import type { Logger } from "../../platform/logger.js";
import type { DeviceAccess } from "../registry/device-access.js";
import type { Ingest, Outcome, Source } from "../ingest.js";
import { loginWithKey, loginWithToken } from "../registry/key-login.js";
import type { Caller } from "../registry/key-login.js";
import type { Refusal } from "../pipeline/refusal.js";
import type { Registry } from "../registry/registry.js";
import type { UpTopic } from "../topics.js";
import { countLines, takeBatch } from "./batch.js";
import { isLines, kindOf, LINES_TYPES, tooLarge, unpack } from "./content.js";
import type { ContentKind } from "./content.js";
import type { Dialect } from "./dialect.js";
import { createPlaces, createRoom } from "./room.js";
import { registerThingsBoardRoutes } from "./thingsboard-routes.js";

export interface DeviceRoutesDeps {
  readonly ingest: Ingest;
  readonly registry: Registry;
  readonly logger: Logger;
  readonly maxPayloadBytes: number;
  /** How long a request waits while the storage is saturated; then 503 with Retry-After. */
  readonly maxWaitMs?: number;
}

interface DeviceParams {
  readonly tenant: string;
  readonly device: string;
  /** In place of both, in ThingsBoard's paths: the key alone. */
  readonly token?: string;
}

const UP: readonly UpTopic[] = ["telemetry", "health", "config/reported"];
const NOTHING = Buffer.alloc(0);
/** A batch of JSON lines may be so many times larger than one message. */
const BATCH_FACTOR = 16;

function whole(_request: FastifyRequest, body: string | Buffer, parsed: (error: null, body: unknown) => void): void {
  parsed(null, body);
}

/** Adds `/v1/:tenant/:device/…`, with its own body parser and error form; the rest of `app` is not touched. */
export function registerDeviceRoutes(app: FastifyInstance, deps: DeviceRoutesDeps): void {
  const { ingest, registry, logger, maxPayloadBytes, maxWaitMs = 2_000 } = deps;
  const maxBatchBytes = maxPayloadBytes * BATCH_FACTOR;
  const accesses = new WeakMap<FastifyRequest, DeviceAccess>();
  const hasRoom = createRoom(ingest, maxWaitMs);
  const places = createPlaces();
  const loginDeps = { registry, counters: ingest.counters, logger, door: "http" } as const;

  void app.register((scope, _options, registered) => {
    scope.removeAllContentTypeParsers();
    const asBuffer = { parseAs: "buffer" } as const;
    scope.addContentTypeParser("*", { ...asBuffer, bodyLimit: maxPayloadBytes }, whole);
    scope.addContentTypeParser(LINES_TYPES, { ...asBuffer, bodyLimit: maxBatchBytes }, whole);
    // Before the body is read: strangers send no megabytes.
    scope.addHook("onRequest", async (request, reply) => {
      const access = await authenticate(request);
      accesses.set(request, access);
      const length = Number(request.headers["content-length"] ?? (request.method === "GET" ? 0 : maxBatchBytes));
      const place = places.take(access, Math.min(Number.isNaN(length) ? maxBatchBytes : length, maxBatchBytes));
      if ("code" in place) throw new FleetlogError(place.code, place.message);
      reply.raw.once("close", place.release);
    });
    scope.setErrorHandler(async (error, request, reply) => {
      const failure = toFleetlogError(error, boundOf(request));
      if (failure.code === "INTERNAL")
        logger.error({ error: messageOf(error), url: placeOf(request) }, "a device's request failed");
      const access = accesses.get(request);
      if (access !== undefined && (failure.code === "PAYLOAD_TOO_LARGE" || failure.code === "UNSUPPORTED_FORMAT")) {
        const { code, message } = failure;
        const { payload, form } = keptOf(request, code);
        const source = { door: "http", topic: placeOf(request), ...form } as const;
        await new Promise<Outcome>((done) => ingest.refuse(access, { code, message }, payload, source, done));
      }
      return answerError(reply, failure.code, failure.message);
    });
    for (const topic of UP) {
      scope.post<{ Params: DeviceParams }>(`/v1/:tenant/:device/${topic}`, (request, reply) =>
        take(topic, request, reply),
      );
    }
    scope.get<{ Params: DeviceParams }>("/v1/:tenant/:device/config/desired", async (request, reply) => {
      const { version, config } = accessOf(request).configuration;
      return version === 0 ? reply.code(204).send() : reply.send({ version, config });
    });
    registerThingsBoardRoutes(scope, { take, accessOf });
    registered();
  });

  async function authenticate(request: FastifyRequest): Promise<DeviceAccess> {
    const { tenant, device, token } = request.params as DeviceParams;
    if (token !== undefined) return admitted(await loginWithToken(loginDeps, token));
    const [, key] = /^Bearer +(\S+)$/iu.exec(request.headers.authorization ?? "") ?? [];
    if (key === undefined) {
      ingest.counters.loginRefused("http", "no-key");
      throw new FleetlogError("UNAUTHENTICATED", 'the header "Authorization: Bearer KEY" is missing');
    }
    return admitted(await loginWithKey(loginDeps, tenant, device, key));
  }

  function admitted(caller: Caller | Refusal): DeviceAccess {
    if ("code" in caller) throw new FleetlogError(caller.code, caller.message);
    ingest.seen.heard(caller.access.tenantId, caller.access.deviceId);
    return caller.access;
  }

  function accessOf(request: FastifyRequest): DeviceAccess {
    const access = accesses.get(request);
    if (access === undefined) throw new FleetlogError("UNAUTHENTICATED", "the request was not authenticated");
    return access;
  }

  function boundOf(request: FastifyRequest): number {
    return isLines(request.headers["content-type"]) ? maxBatchBytes : maxPayloadBytes;
  }

  async function take(
    topic: UpTopic,
    request: FastifyRequest,
    reply: FastifyReply,
    dialect?: Dialect,
  ): Promise<FastifyReply> {
    const access = accessOf(request);
    const kind = contentOf(topic, request);
    const { "content-encoding": encoding } = request.headers;
    const sent = Buffer.isBuffer(request.body) ? request.body : NOTHING;
    const payload = await unpack(sent, encoding, kind.isBatch ? maxBatchBytes : maxPayloadBytes);
    const wait = ingest.limits.take(access, payload.length, kind.isBatch ? countLines(payload) : 1);
    if (wait !== undefined) {
      reply.header("retry-after", String(Math.max(1, Math.ceil(wait.waitMs / 1_000))));
      return answerError(reply, "LIMIT_EXCEEDED", wait.limit);
    }
    if (!(await hasRoom())) {
      return answerError(
        reply,
        "UNAVAILABLE",
        "the storage is not taking readings in at the moment: send it again later",
      );
    }
    // A dialect's clients send its JSON as application/json.
    const format = dialect === undefined || (kind.format ?? "json") !== "json" ? kind.format : dialect.format;
    const source: Source = { door: "http", topic: placeOf(request), ...(format === undefined ? {} : { format }) };
    if (kind.isBatch) return answerBatch(reply, access, payload, source);
    const outcome = await new Promise<Outcome>((done) => ingest.accept(topic, access, payload, source, done));
    switch (outcome.kind) {
      case "stored":
        return reply.code(dialect?.status ?? 202).send({ stored: outcome.readings });
      case "refused":
        return answerError(reply, outcome.refusal.code, outcome.refusal.message);
      case "failed":
        return answerError(reply, outcome.error.code, outcome.error.message);
    }
  }

  async function answerBatch(
    reply: FastifyReply,
    access: DeviceAccess,
    body: Buffer,
    source: Source,
  ): Promise<FastifyReply> {
    const deps = { ingest, maxLineBytes: maxPayloadBytes, hasRoom };
    const { stored, refused, more, failed } = await takeBatch(deps, access, body, source);
    if (failed !== undefined) return answerError(reply, failed.code, failed.message);
    const [first] = refused;
    if (first === undefined) return reply.code(202).send({ stored });
    const list = { stored, refused, ...(more === 0 ? {} : { more }) };
    if (stored > 0) return reply.code(207).send(list);
    const message = `no line was taken; line ${first.line}: ${first.message}`;
    return reply.code(errorTable[first.code].http).send({ error: { code: first.code, message }, ...list });
  }
}

/** Reports are JSON, whatever a client's library says of them; only telemetry comes in other forms and in batches. */
function contentOf(topic: UpTopic, request: FastifyRequest): ContentKind {
  const kind = kindOf(request.headers["content-type"]);
  if (topic === "telemetry" || (!kind.isBatch && (kind.format ?? "json") === "json")) return kind;
  throw new FleetlogError("UNSUPPORTED_FORMAT", `a report on ${topic} is one JSON object: send application/json`);
}

function toFleetlogError(error: unknown, maxBytes: number): FleetlogError {
  if (isFleetlogError(error)) return error;
  const { code, statusCode } = error as { readonly code?: unknown; readonly statusCode?: unknown };
  if (code === "FST_ERR_CTP_BODY_TOO_LARGE") return tooLarge(maxBytes);
  if (typeof statusCode === "number" && statusCode < 500) return new FleetlogError("BAD_REQUEST", messageOf(error));
  return new FleetlogError("INTERNAL", "the request failed for a reason of ours; the log has it");
}

/** What was read of the body. Telemetry of a form that nobody knows can be taken in once the device's type has a codec for it. */
function keptOf(
  request: FastifyRequest,
  code: ErrorCode,
): { readonly payload: Buffer; readonly form: Pick<Source, "form"> } {
  const { body, headers, routeOptions } = request;
  const payload = Buffer.isBuffer(body) ? body : NOTHING;
  const isPlain = headers["content-encoding"] === undefined && payload.length > 0;
  if (code !== "UNSUPPORTED_FORMAT" || !isPlain || routeOptions.url?.endsWith("/telemetry") !== true) {
    return { payload, form: {} };
  }
  return { payload, form: { form: { as: "message", topic: "telemetry" } } };
}

/** The path, for the ledger and the log: where it holds a key, the route's own. */
function placeOf(request: FastifyRequest): string {
  const { token } = request.params as DeviceParams;
  return token === undefined ? request.url : (request.routeOptions.url ?? "");
}

function answerError(reply: FastifyReply, code: ErrorCode, message: string): FastifyReply {
  if (code === "UNAVAILABLE" || code === "LIMIT_EXCEEDED") {
    if (!reply.hasHeader("retry-after")) reply.header("retry-after", "1");
  }
  if (code === "UNAUTHENTICATED") reply.header("www-authenticate", "Bearer");
  return reply.code(errorTable[code].http).send({ error: { code, message } });
}
