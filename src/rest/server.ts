import type { AddressInfo } from "node:net";
import type { FastifyInstance, FastifyReply } from "fastify";
import { fastify } from "fastify";
import { newId } from "../platform/ids.js";
import type { Running } from "../platform/lifecycle.js";
import type { Logger } from "../platform/logger.js";
import { registerGraphiql } from "./graphiql.js";
import { answerClientError, setHttpErrors } from "./http-errors.js";
import type { OperationsDeps } from "./operations.js";
import { listenWithTls } from "./tls-listener.js";
import type { TlsCertificate, TlsListener } from "./tls-listener.js";
import { registerOperations } from "./operations.js";

/** No body is larger, whatever door of this server it comes through. */
const MAX_BODY_BYTES = 1024 * 1024;
/** A request must be here, whole, within this time: slow ones hold a connection. */
const REQUEST_TIMEOUT_MS = 30_000;
/** On each port; beyond it new connections are closed at once. */
const MAX_CONNECTIONS = 20_000;

/** A caller's correlation id is taken over when it is one, and no way to write into our log. */
const CORRELATION_ID = /^[A-Za-z0-9._:-]{1,128}$/;

export interface HttpServerDeps extends OperationsDeps {
  readonly logger: Logger;
  /** The doors that this server opens beside the operations' own: GraphQL, the devices', …, in this order. */
  readonly register?: readonly ((app: FastifyInstance) => void | Promise<void>)[];
  /** The offline GraphiQL page; on unless false. */
  readonly graphiql?: boolean;
}

/** The one HTTP server of a process, not yet listening. Every request has a correlation id, `request.id`, given back in its answer. */
async function createHttpServer(deps: HttpServerDeps): Promise<FastifyInstance> {
  const app = fastify({
    loggerInstance: deps.logger.child({ part: "http" }),
    disableRequestLogging: true,
    bodyLimit: MAX_BODY_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    // What no route is even looked for: the same form as everything else.
    frameworkErrors: (_error, request, reply) => {
      const message = "the path is not one: it has a % that stands for nothing";
      // Its type would know the routes' answers, and there is no route.
      void (reply as unknown as FastifyReply)
        .code(400)
        .send({ error: { code: "BAD_REQUEST", message, correlationId: request.id } });
    },
    clientErrorHandler: answerClientError,
    requestIdHeader: false,
    requestIdLogLabel: "correlationId",
    genReqId: ({ headers }) => {
      const given = headers["x-correlation-id"];
      return typeof given === "string" && CORRELATION_ID.test(given) ? given : newId();
    },
  }) as unknown as FastifyInstance;
  setHttpErrors(app);
  app.addHook("onRequest", async (request, reply) => {
    reply.header("x-correlation-id", request.id);
  });
  registerOperations(app, deps);
  if (deps.graphiql ?? true) registerGraphiql(app);
  for (const register of deps.register ?? []) await register(app);
  return app;
}

export interface HttpServer extends Running {
  readonly url: string;
  readonly port: number;
  /** Where the same routes are served with TLS. */
  readonly tlsPort?: number;
}

export interface HttpServerOptions {
  readonly port: number;
  readonly host: string;
  readonly tls?: { readonly port: number; readonly certificate: TlsCertificate };
}

/** Listens. `stop` answers what is under way and ends. Port 0 takes a free one. Rejects with the system's error for a taken port. */
export async function startHttpServer(
  deps: HttpServerDeps,
  { port, host, tls }: HttpServerOptions,
): Promise<HttpServer> {
  const app = await createHttpServer(deps);
  app.server.maxConnections = MAX_CONNECTIONS;
  await app.listen({ port, host });
  let secure: TlsListener | undefined;
  try {
    if (tls !== undefined) secure = await listenWithTls(app.server, { ...tls, host, maxConnections: MAX_CONNECTIONS });
  } catch (error) {
    await app.close();
    throw error;
  }
  const bound = (app.server.address() as AddressInfo).port;
  const reachable = host === "0.0.0.0" || host === "::" ? "localhost" : host;
  return {
    url: `http://${reachable.includes(":") ? `[${reachable}]` : reachable}:${bound}`,
    port: bound,
    ...(secure === undefined ? {} : { tlsPort: secure.port }),
    async stop() {
      await Promise.all([app.close(), secure?.stop()]);
    },
  };
}
