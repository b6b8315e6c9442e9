import type { IncomingMessage, Server } from "node:http";
import type { Duplex } from "node:stream";
import type { FormattedExecutionResult, GraphQLSchema } from "graphql";
import { GraphQLError, getOperationAST, parse, validate } from "graphql";
import type { Context as WsContext, Server as ProtocolServer, SubscribePayload } from "graphql-ws";
import { CloseCode, handleProtocols, makeServer } from "graphql-ws";
import type { WebSocket } from "ws";
import { WebSocketServer } from "ws";
import { FleetlogError, messageOf } from "../platform/errors.js";
import { newId } from "../platform/ids.js";
import type { Running } from "../platform/lifecycle.js";
import type { Logger } from "../platform/logger.js";
import { routeUpgrades } from "../platform/upgrades.js";
import type { GraphqlContext, Session } from "./context.js";
import { formatError, requestError, seenError } from "./errors.js";
import { MAX_TOKENS, checkLimits } from "./limits.js";
import { checkNesting } from "./nesting.js";
import type { OperationMetrics } from "./operation-metrics.js";
import { reportErrors } from "./report-errors.js";

export interface SocketLimits {
  /** Open sockets of this process; the next is answered 503. */
  readonly sockets: number;
  /** Operations running on one socket; the next gets LIMIT_EXCEEDED. */
  readonly subscriptionsPerSocket: number;
  /** Bytes of one message from a client; a longer one ends the socket. */
  readonly messageBytes: number;
}

export const defaultSocketLimits: SocketLimits = {
  sockets: 10_000,
  subscriptionsPerSocket: 100,
  messageBytes: 256 * 1024,
};

/** Browsers that vanish without a word are noticed within two of these. */
const PING_MS = 15_000;
/** The longest that a timer takes; a session that ends later is looked at again then. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export interface SocketDeps {
  readonly schema: GraphQLSchema;
  /** As `GraphqlDeps.authenticate`, given the bare token. */
  readonly authenticate: (token: string) => Promise<Session>;
  readonly createContext: (session: Session, correlationId: string) => GraphqlContext;
  readonly logger: Logger;
  readonly metrics: OperationMetrics;
  readonly limits: SocketLimits;
}

/** What is known of one socket. */
interface Extra {
  readonly socket: WebSocket;
  session?: Session;
  expiry?: NodeJS.Timeout;
}

type Context = WsContext<Record<string, unknown>, Extra>;

export interface GraphqlSockets extends Running {
  /** Answers upgrades to `path`. */
  attach(server: Server, path: string): void;
  /** Closes every socket with 1012, which clients take as "connect again and subscribe anew": what they follow had a gap. */
  interrupt(reason: string): void;
}

/**
 * `graphql-transport-ws` on our own listener: a session from `connectionParams.authorization` ("Bearer TOKEN"), the same limits as
 * over HTTP, and the socket closed with 4403 when the session ends. A client that reads slowly holds its own events up, in its own bounded feed.
 */
export function createGraphqlSockets(deps: SocketDeps): GraphqlSockets {
  const { limits, logger, metrics } = deps;
  const protocol = createProtocol(deps);
  const wss = new WebSocketServer({ noServer: true, maxPayload: limits.messageBytes, handleProtocols });

  let stopping = false;

  function upgrade(request: IncomingMessage, stream: Duplex, head: Buffer): void {
    if (stopping || wss.clients.size >= limits.sockets) {
      metrics.errors.inc({ code: stopping ? "UNAVAILABLE" : "LIMIT_EXCEEDED" });
      stream.end(
        "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 5\r\nContent-Length: 0\r\n\r\n",
      );
      return;
    }
    wss.handleUpgrade(request, stream, head, (socket) => serve(socket, protocol, deps));
  }

  return {
    attach(server, path) {
      routeUpgrades(server, path, upgrade);
    },
    interrupt(reason) {
      logger.warn({ reason, sockets: wss.clients.size }, "GraphQL sockets are closed, to begin anew");
      for (const socket of wss.clients) socket.close(1012, reason);
    },
    async stop() {
      stopping = true;
      const gone = [...wss.clients].map((socket) => new Promise((resolve) => socket.once("close", resolve)));
      for (const socket of wss.clients) socket.close(1001, "the server is stopping: connect again");
      // A client that does not answer the close frame is not waited for.
      const impatience = setTimeout(() => {
        for (const socket of wss.clients) socket.terminate();
      }, 2_000);
      await Promise.all(gone);
      clearTimeout(impatience);
      wss.close();
      logger.debug({ closed: gone.length }, "GraphQL sockets closed");
    },
  };
}

function createProtocol(deps: SocketDeps): ProtocolServer<Extra> {
  const { limits, logger, metrics } = deps;

  async function onConnect(context: Context): Promise<boolean> {
    try {
      const session = await deps.authenticate(tokenOf(context.connectionParams));
      context.extra.session = session;
      endWithSession(context.extra, session);
      return true;
    } catch (error) {
      const { code, message } = seenError(error);
      metrics.errors.inc({ code });
      context.extra.socket.close(CloseCode.Forbidden, `${code}: ${message}`.slice(0, 120));
      return false;
    }
  }

  function onSubscribe(context: Context, _id: string, payload: SubscribePayload) {
    const { session } = context.extra;
    try {
      if (session === undefined) throw new FleetlogError("UNAUTHENTICATED", "the socket has no session");
      if (Object.keys(context.subscriptions).length > limits.subscriptionsPerSocket) {
        throw new FleetlogError(
          "LIMIT_EXCEEDED",
          `a socket runs at most ${limits.subscriptionsPerSocket} operations at once: end one first`,
        );
      }
      checkNesting(payload.query);
      const document = parse(payload.query, { maxTokens: MAX_TOKENS });
      const errors = validate(deps.schema, document);
      if (errors.length > 0) return errors;
      checkLimits(deps.schema, document, payload.operationName, payload.variables);
      return {
        schema: deps.schema,
        document,
        ...(payload.operationName === undefined || payload.operationName === null
          ? {}
          : { operationName: payload.operationName }),
        ...(payload.variables === undefined || payload.variables === null ? {} : { variableValues: payload.variables }),
        contextValue: deps.createContext(session, newId()),
      };
    } catch (error) {
      return [error instanceof GraphQLError ? error : requestError(error)];
    }
  }

  return makeServer<Record<string, unknown>, Extra>({
    connectionInitWaitTimeout: 10_000,
    onConnect,
    onSubscribe,
    onOperation: (_context, _id, _payload, { document, operationName }) => {
      metrics.operations.inc({ kind: getOperationAST(document, operationName)?.operation ?? "none" });
    },
    onNext: (_context, _id, _payload, args, result): FormattedExecutionResult | undefined => {
      if (result.errors === undefined) return undefined;
      const { correlationId } = args.contextValue as GraphqlContext;
      reportErrors(result.errors, correlationId, { logger, metrics });
      const errors = result.errors.map((error) => formatError(error.toJSON(), error));
      return result.data === undefined ? { errors } : { data: result.data, errors };
    },
    onError: (_context, _id, _payload, errors) => {
      const graphqlErrors = errors.map((error) => (error instanceof GraphQLError ? error : requestError(error)));
      reportErrors(graphqlErrors, newId(), { logger, metrics });
      return graphqlErrors.map((error) => formatError(error.toJSON(), error));
    },
    onClose: (context) => clearTimeout(context.extra.expiry),
  });
}

function endWithSession(extra: Extra, session: Session): void {
  const left = session.expiresAt - Date.now();
  extra.expiry = setTimeout(
    () => {
      if (left > MAX_TIMER_MS) endWithSession(extra, session);
      else extra.socket.close(CloseCode.Forbidden, "UNAUTHENTICATED: the token has expired: get a new one");
    },
    Math.min(Math.max(left, 0), MAX_TIMER_MS),
  );
  extra.expiry.unref();
}

/** `{authorization: "Bearer TOKEN"}`, as GraphiQL passes its headers on too, or `{token}`. */
function tokenOf(params: Readonly<Record<string, unknown>> | undefined): string {
  const named = Object.entries(params ?? {}).find(([key]) => ["authorization", "token"].includes(key.toLowerCase()));
  const value = named?.[1];
  if (typeof value !== "string") {
    throw new FleetlogError("UNAUTHENTICATED", "send connectionParams {authorization: 'Bearer TOKEN'}");
  }
  return value.replace(/^Bearer +/i, "");
}

/** Between the socket and the protocol: what `graphql-ws/use/ws` does, but with our logger. */
function serve(socket: WebSocket, protocol: ProtocolServer<Extra>, { logger, metrics }: SocketDeps): void {
  metrics.sockets.inc();
  let alive = true;
  const heartbeat = setInterval(() => {
    if (!alive) {
      socket.terminate();
      return;
    }
    alive = false;
    socket.ping();
  }, PING_MS);
  socket.on("pong", () => {
    alive = true;
  });
  socket.on("error", (error) => logger.debug({ error: error.message }, "a GraphQL socket failed"));
  const closed = protocol.opened(
    {
      protocol: socket.protocol,
      send: (data) =>
        new Promise((resolve, reject) => {
          if (socket.readyState !== socket.OPEN) return resolve();
          // Resolves once the kernel has it: who reads slowly is written to slowly.
          socket.send(data, (error) => (error === undefined || error === null ? resolve() : reject(error)));
        }),
      close: (code, reason) => socket.close(code, reason),
      onMessage: (take) =>
        socket.on("message", (data: Buffer) => {
          take(data.toString("utf8")).catch((error: unknown) => {
            logger.warn({ error: messageOf(error) }, "a GraphQL socket's message could not be handled");
            socket.close(CloseCode.InternalServerError, "INTERNAL: the message could not be handled");
          });
        }),
    },
    { socket },
  );
  socket.once("close", (code, reason) => {
    clearInterval(heartbeat);
    metrics.sockets.dec();
    closed(code, reason.toString("utf8")).catch((error: unknown) =>
      logger.warn({ error: messageOf(error) }, "a GraphQL socket did not close cleanly"),
    );
  });
}
