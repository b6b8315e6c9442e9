/** ThingsBoard's HTTP device API (thingsboard.io/docs/reference/http-api): `/api/v1/{token}/…`, the token being an API key of ours. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { FleetlogError } from "../../platform/errors.js";
import type { DeviceAccess } from "../registry/device-access.js";
import { attributesAnswer } from "../gateways/thingsboard.js";
import type { UpTopic } from "../topics.js";
import type { Dialect } from "./dialect.js";

export interface ThingsBoardRoutesDeps {
  readonly take: (
    topic: UpTopic,
    request: FastifyRequest,
    reply: FastifyReply,
    dialect: Dialect,
  ) => Promise<FastifyReply>;
  readonly accessOf: (request: FastifyRequest) => DeviceAccess;
}

/** Its clients wait for 200. */
const DIALECT: Dialect = { format: "thingsboard", status: 200 };

/** Within the scope of the device routes, which logs the token in. */
export function registerThingsBoardRoutes(scope: FastifyInstance, { take, accessOf }: ThingsBoardRoutesDeps): void {
  scope.post("/api/v1/:token/telemetry", (request, reply) => take("telemetry", request, reply, DIALECT));
  scope.post("/api/v1/:token/attributes", (request, reply) => take("health", request, reply, DIALECT));
  scope.get("/api/v1/:token/attributes", async (request, reply) =>
    reply.send(attributesAnswer(accessOf(request), request.query as Readonly<Record<string, unknown>>)),
  );
  scope.all("/api/v1/:token/*", async () => {
    throw new FleetlogError(
      "NOT_FOUND",
      "of ThingsBoard's HTTP API, telemetry and attributes are served; RPC, claiming, and waiting for updates are not built yet",
    );
  });
}
