import type { ApolloServerPlugin } from "@apollo/server";
import { ApolloServer } from "@apollo/server";
import {
  ApolloServerPluginCacheControlDisabled,
  ApolloServerPluginLandingPageDisabled,
  ApolloServerPluginUsageReportingDisabled,
} from "@apollo/server/plugin/disabled";
import { fastifyApolloHandler } from "@as-integrations/fastify";
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { GraphQLSchema } from "graphql";
import type { NatsConnection } from "nats";
import { Events } from "nats";
import { FleetlogError } from "../platform/errors.js";
import type { Logger } from "../platform/logger.js";
import { createChangeFeed } from "./change-feed.js";
import type { GraphqlContext, Session } from "./context.js";
import type { GraphqlDeps } from "./deps.js";
import { formatError, requestError } from "./errors.js";
import { MAX_TOKENS, checkLimits } from "./limits.js";
import type { LoaderOptions } from "./loaders.js";
import { createLoaders } from "./loaders.js";
import { checkNesting } from "./nesting.js";
import type { OperationMetrics } from "./operation-metrics.js";
import { createOperationMetrics } from "./operation-metrics.js";
import { reportErrors } from "./report-errors.js";
import { createGraphqlSchema } from "./schema.js";
import type { GraphqlSockets, SocketLimits } from "./sockets.js";
import { createGraphqlSockets, defaultSocketLimits } from "./sockets.js";

const PATH = "/graphql";

export interface GraphqlOptions {
  readonly socketLimits?: Partial<SocketLimits>;
}

/**
 * Queries and mutations at POST /graphql, subscriptions on the same path over WebSocket. The function given back adds it to a
 * server; when that closes, sockets are ended first, requests under way are answered, and Apollo goes last.
 */
export function createGraphqlRoutes(
  deps: GraphqlDeps,
  options: GraphqlOptions = {},
): (app: FastifyInstance) => Promise<void> {
  return async (app) => {
    const logger = deps.logger.child({ part: "graphql" });
    const schema = createGraphqlSchema(deps);
    const metrics = createOperationMetrics(deps.metrics);
    const feed = createChangeFeed({ nats: deps.nats, logger, running: metrics.subscriptions });
    const createContext = (session: Session, correlationId: string, options: LoaderOptions): GraphqlContext => ({
      ...session,
      correlationId,
      loaders: createLoaders(deps, session, options),
      feed,
    });

    const sockets = createGraphqlSockets({
      schema,
      authenticate: deps.authenticate,
      createContext: (session, correlationId) => createContext(session, correlationId, { cache: false }),
      logger,
      metrics,
      limits: { ...defaultSocketLimits, ...options.socketLimits },
    });
    void interruptAfterGaps(deps.nats, sockets);
    const apollo = createApollo(schema, logger, metrics, () => sockets.stop());
    await apollo.start();

    app.route({
      method: ["GET", "POST"],
      url: PATH,
      preHandler: (request, reply, next) => {
        // A browser's address bar: people get the page, programs the API.
        if (request.method === "GET" && (request.headers.accept ?? "").includes("text/html"))
          reply.redirect("/graphiql");
        else next();
      },
      handler: fastifyApolloHandler(apollo, {
        context: async (request) => {
          const session = await sessionOf(request, deps.authenticate);
          refuseNesting(request);
          return createContext(session, request.id, { cache: true });
        },
      }),
    });
    sockets.attach(app.server, PATH);
    // Open sockets would keep the listener from ever closing.
    app.addHook("preClose", () => sockets.stop());
    app.addHook("onClose", () => apollo.stop());
  };
}

/** Events are not kept for us: what came while NATS was away is gone, and who follows it must know. Ends with the connection. */
async function interruptAfterGaps(nats: NatsConnection, sockets: GraphqlSockets): Promise<void> {
  for await (const { type } of nats.status()) {
    if (type === Events.Reconnect) sockets.interrupt("events may have been missed: query, then subscribe again");
  }
}

/** A request without a good token is refused as a whole, with 401, before anything of it is read. */
async function sessionOf(request: FastifyRequest, authenticate: GraphqlDeps["authenticate"]): Promise<Session> {
  try {
    const { authorization } = request.headers;
    const token = /^Bearer +(\S+) *$/i.exec(authorization ?? "")?.[1];
    if (token === undefined) {
      throw new FleetlogError("UNAUTHENTICATED", "there is no token: send `Authorization: Bearer TOKEN`");
    }
    return await authenticate(token);
  } catch (error) {
    const refusal = requestError(error);
    refusal.extensions["correlationId"] = request.id;
    throw refusal;
  }
}

/** Here, because it is the last place before Apollo parses where a refusal gets GraphQL's form. */
function refuseNesting({ body, query, id }: FastifyRequest): void {
  for (const given of [body, query]) {
    const text = (given as { readonly query?: unknown } | null | undefined)?.query;
    if (typeof text !== "string") continue;
    try {
      checkNesting(text);
    } catch (error) {
      const refusal = requestError(error);
      refusal.extensions["correlationId"] = id;
      throw refusal;
    }
  }
}

function createApollo(
  schema: GraphQLSchema,
  logger: Logger,
  metrics: OperationMetrics,
  drainSockets: () => Promise<void>,
): ApolloServer<GraphqlContext> {
  return new ApolloServer<GraphqlContext>({
    schema,
    logger,
    formatError,
    includeStacktraceInErrorResponses: false,
    // Whoever has a token may know the schema; without one nothing is answered at all.
    introspection: true,
    persistedQueries: false,
    parseOptions: { maxTokens: MAX_TOKENS },
    // Signals are main.ts's.
    stopOnTerminationSignals: false,
    // The default indents; nobody reads what a program asks for.
    stringifyResult: (result) => JSON.stringify(result),
    plugins: [
      // It would wrap every field of every answer in a resolver of its own.
      ApolloServerPluginCacheControlDisabled(),
      ApolloServerPluginLandingPageDisabled(),
      ApolloServerPluginUsageReportingDisabled(),
      { serverWillStart: () => Promise.resolve({ drainServer: drainSockets }) },
      observe(logger, metrics),
    ],
  });
}

/** The limits, before anything is executed, and what is to be counted and logged of each operation. */
function observe(logger: Logger, metrics: OperationMetrics): ApolloServerPlugin<GraphqlContext> {
  return {
    contextCreationDidFail: ({ error }) => {
      reportErrors([requestError(error)], "", { logger, metrics });
      return Promise.resolve();
    },
    requestDidStart: () => {
      const end = metrics.seconds.startTimer();
      let kind = "none";
      return Promise.resolve({
        didResolveOperation: ({ schema, document, operation, operationName, request }) => {
          kind = operation?.operation ?? "none";
          try {
            checkLimits(schema, document, operationName, request.variables);
          } catch (error) {
            throw requestError(error);
          }
          return Promise.resolve();
        },
        didEncounterErrors: ({ errors, contextValue }) => {
          reportErrors(errors, contextValue.correlationId, { logger, metrics });
          return Promise.resolve();
        },
        willSendResponse: () => {
          metrics.operations.inc({ kind });
          end({ kind });
          return Promise.resolve();
        },
      });
    },
  };
}
