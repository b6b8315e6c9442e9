/** The HTTP door for devices: the paths of the MQTT topics. 202 means stored. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { errorTable, FleetlogError, isFleetlogError, messageOf } from "../../platform/errors.js";
import type { ErrorCode } from "../../platform/errors.js";
import type { Logger } from "../../platform/logger.js";
import { login } from "../device-access.js";
import type { DeviceAccess } from "../device-access.js";
import type { Ingest, Outcome } from "../ingest.js";
import type { Registry } from "../registry.js";
import type { UpTopic } from "../topics.js";

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
}

const UP: readonly UpTopic[] = ["telemetry", "health", "config/reported"];
const NOTHING = Buffer.alloc(0);
/** Requests, with their bodies, that wait in memory while the storage is saturated; others are sent away at once. */
const MAX_WAITING = 256;

/** Adds `/v1/:tenant/:device/…`, with its own body parser and error form; the rest of `app` is not touched. */
export function registerDeviceRoutes(app: FastifyInstance, deps: DeviceRoutesDeps): void {
  const { ingest, registry, logger, maxPayloadBytes, maxWaitMs = 2_000 } = deps;
  const accesses = new WeakMap<FastifyRequest, DeviceAccess>();
  const waiting = new Set<(room: boolean) => void>();
  let isAsking = false;

  void app.register((scope, _options, registered) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser("*", { parseAs: "buffer", bodyLimit: maxPayloadBytes }, (_request, body, parsed) =>
      parsed(null, body),
    );
    // Before the body is read: strangers send no megabytes.
    scope.addHook("onRequest", async (request) => {
      accesses.set(request, await authenticate(request));
    });
    scope.setErrorHandler(async (error, request, reply) => {
      const failure = toFleetlogError(error, maxPayloadBytes);
      if (failure.code === "INTERNAL")
        logger.error({ error: messageOf(error), url: request.url }, "a device's request failed");
      const access = accesses.get(request);
      if (failure.code === "PAYLOAD_TOO_LARGE" && access !== undefined) {
        const { code, message } = failure;
        const source = { door: "http", topic: request.url } as const;
        await new Promise<Outcome>((done) => ingest.refuse(access, { code, message }, NOTHING, source, done));
      }
      return answerError(reply, failure.code, failure.message);
    });
    for (const topic of UP) {
      scope.post<{ Params: DeviceParams }>(
        `/v1/:tenant/:device/${topic}`,
        { bodyLimit: maxPayloadBytes },
        (request, reply) => take(topic, request, reply),
      );
    }
    scope.get<{ Params: DeviceParams }>("/v1/:tenant/:device/config/desired", async (request, reply) => {
      const { version, config } = accessOf(request).configuration;
      return version === 0 ? reply.code(204).send() : reply.send({ version, config });
    });
    registered();
  });

  async function authenticate(request: FastifyRequest): Promise<DeviceAccess> {
    const { tenant, device } = request.params as DeviceParams;
    const [, key] = /^Bearer +(\S+)$/iu.exec(request.headers.authorization ?? "") ?? [];
    if (key === undefined) {
      ingest.counters.loginRefused("http", "no-key");
      throw new FleetlogError("UNAUTHENTICATED", 'the header "Authorization: Bearer KEY" is missing');
    }
    let found: DeviceAccess | undefined;
    try {
      found = await registry.find(tenant, device);
    } catch (error) {
      logger.debug({ error: messageOf(error) }, "a device's request came while the registry was away");
      throw new FleetlogError("UNAVAILABLE", "the registry does not answer: try again");
    }
    const outcome = login(found, key, Date.now());
    if (outcome.ok) {
      ingest.seen.heard(outcome.access.tenantId, outcome.access.deviceId);
      return outcome.access;
    }
    ingest.counters.loginRefused("http", outcome.reason);
    throw new FleetlogError(outcome.code, outcome.message);
  }

  function accessOf(request: FastifyRequest): DeviceAccess {
    const access = accesses.get(request);
    if (access === undefined) throw new FleetlogError("UNAUTHENTICATED", "the request was not authenticated");
    return access;
  }

  async function take(topic: UpTopic, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const access = accessOf(request);
    if (!(await hasRoom())) {
      return answerError(
        reply,
        "UNAVAILABLE",
        "the storage is not taking readings in at the moment: send it again later",
      );
    }
    const payload = Buffer.isBuffer(request.body) ? request.body : NOTHING;
    const source = { door: "http", topic: request.url } as const;
    const outcome = await new Promise<Outcome>((done) => ingest.accept(topic, access, payload, source, done));
    switch (outcome.kind) {
      case "stored":
        return reply.code(202).send({ stored: outcome.readings });
      case "refused":
        return answerError(reply, outcome.refusal.code, outcome.refusal.message);
      case "failed":
        return answerError(reply, outcome.error.code, outcome.error.message);
    }
  }

  /** Waits for room, together with others; answers false when it takes too long or too many wait already. */
  function hasRoom(): Promise<boolean> {
    if (!ingest.saturated) return Promise.resolve(true);
    if (waiting.size >= MAX_WAITING) return Promise.resolve(false);
    return new Promise((resolve) => {
      const answer = (room: boolean): void => {
        clearTimeout(timer);
        waiting.delete(answer);
        resolve(room);
      };
      const timer = setTimeout(() => answer(false), maxWaitMs);
      waiting.add(answer);
      // Asked for once for all who wait: those who gave up leave nothing behind.
      if (isAsking) return;
      isAsking = true;
      ingest.whenRoom(() => {
        isAsking = false;
        for (const one of waiting) one(true);
      });
    });
  }
}

function toFleetlogError(error: unknown, maxPayloadBytes: number): FleetlogError {
  if (isFleetlogError(error)) return error;
  const { code, statusCode } = error as { readonly code?: unknown; readonly statusCode?: unknown };
  if (code === "FST_ERR_CTP_BODY_TOO_LARGE") {
    return new FleetlogError("PAYLOAD_TOO_LARGE", `a payload has at most ${maxPayloadBytes} bytes: send several`);
  }
  if (typeof statusCode === "number" && statusCode < 500) return new FleetlogError("BAD_REQUEST", messageOf(error));
  return new FleetlogError("INTERNAL", "the request failed for a reason of ours; the log has it");
}

function answerError(reply: FastifyReply, code: ErrorCode, message: string): FastifyReply {
  if (code === "UNAVAILABLE") reply.header("retry-after", "1");
  if (code === "UNAUTHENTICATED") reply.header("www-authenticate", "Bearer");
  return reply.code(errorTable[code].http).send({ error: { code, message } });
}
