import type { GraphQLFormattedError } from "graphql";
import { CloseCode, createClient as createSocketClient } from "graphql-ws";
import { decodeJwt } from "jose";
import { WebSocket } from "ws";
import { Backoff } from "../platform/backoff.js";
import { FleetlogError, messageOf } from "../platform/errors.js";
import { newId } from "../platform/ids.js";
import { refusedBy } from "./problem.js";

/** No answer within this time is none: a mutation waits 5 s for its read model at most. */
const ANSWER_WITHIN_MS = 30_000;
/** Connections tried again, some minutes long, before a subscription is given up. */
const RECONNECTS = 60;
const RECONNECT_WITHIN_MS = 5_000;

export interface Client {
  readonly url: string;
  /** Throws FleetlogError with the code that the platform gave, or UNAVAILABLE when it cannot be reached. */
  request<T>(query: string, variables?: Readonly<Record<string, unknown>>): Promise<T>;
  /** What `GET` of a path answers, piece by piece as it is taken; the path is of the token's tenant. Throws as `request` does. */
  download(path: (tenant: string) => string, signal: AbortSignal): AsyncGenerator<string>;
  /**
   * Calls `next` for each event until `signal` ends it; lost connections are made again. `connected` runs at each
   * connection, the first included, and `lost` when one breaks: what was missed between two is the caller's to make good. Rejects as `request` does.
   */
  subscribe(
    query: string,
    variables: Readonly<Record<string, unknown>>,
    on: { readonly next: (data: unknown) => void; readonly connected?: () => void; readonly lost?: () => void },
    signal: AbortSignal,
  ): Promise<void>;
}

interface GraphqlAnswer<T> {
  readonly data?: T | null;
  readonly errors?: readonly GraphQLFormattedError[];
}

export function createClient(url: string, token: () => Promise<string>): Client {
  return {
    url,
    async request<T>(query: string, variables: Readonly<Record<string, unknown>> = {}): Promise<T> {
      const response = await post(url, await token(), { query, variables });
      const text = await response.text();
      return dataOf<T>(answerOf<T>(text, url, response.status));
    },
    download: (path, signal) => download(url, token, path, signal),
    subscribe: (query, variables, on, signal) => follow(url, token, { query, variables }, on, signal),
  };
}

async function post(url: string, token: string, body: object): Promise<Response> {
  try {
    return await fetch(`${url}/graphql`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${token}`,
        "content-type": "application/json",
        "x-correlation-id": newId(),
      },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
    });
  } catch (error) {
    throw unreachable(url, error);
  }
}

async function* download(
  url: string,
  token: () => Promise<string>,
  path: (tenant: string) => string,
  signal: AbortSignal,
): AsyncGenerator<string> {
  const bearer = await token();
  let response: Response;
  try {
    const headers = { authorization: `Bearer ${bearer}`, "x-correlation-id": newId() };
    response = await fetch(url + path(tenantOf(bearer)), { headers, signal });
  } catch (error) {
    throw unreachable(url, error);
  }
  if (!response.ok) throw await refusalOf(response);
  const decoder = new TextDecoder();
  try {
    for await (const bytes of response.body ?? []) yield decoder.decode(bytes as Uint8Array, { stream: true });
  } catch (error) {
    if (signal.aborted) return;
    throw new FleetlogError(
      "UNAVAILABLE",
      "the download broke off: what came is whole up to its last line",
      {},
      { cause: error },
    );
  }
}

/** Of a token that the platform will check: anything else it refuses in its own words. */
function tenantOf(token: string): string {
  try {
    const { tenant } = decodeJwt(token);
    return encodeURIComponent(typeof tenant === "string" ? tenant : "-");
  } catch {
    return "-";
  }
}

async function refusalOf(response: Response): Promise<FleetlogError> {
  const text = await response.text();
  try {
    const { error } = JSON.parse(text) as { readonly error: { readonly code: string; readonly message: string } };
    return refusedBy(error.code, error.message);
  } catch {
    return new FleetlogError("UNAVAILABLE", `the platform answered ${response.status}, and not as Fleetlog does`);
  }
}

function answerOf<T>(text: string, url: string, status: number): GraphqlAnswer<T> {
  try {
    const answer: unknown = JSON.parse(text);
    if (typeof answer === "object" && answer !== null && ("data" in answer || "errors" in answer)) {
      return answer as GraphqlAnswer<T>;
    }
  } catch {
    // Said below.
  }
  throw new FleetlogError(
    "UNAVAILABLE",
    `${url} answered ${status}, but is no Fleetlog: give its address with --url or FLEETLOG_URL`,
  );
}

function dataOf<T>({ data, errors = [] }: GraphqlAnswer<T>): T {
  const [first] = errors;
  if (first !== undefined) throw refusedBy(first.extensions?.["code"], first.message);
  if (data === undefined || data === null)
    throw new FleetlogError("INTERNAL", "the answer has neither data nor errors");
  return data;
}

function unreachable(url: string, error: unknown): FleetlogError {
  const { cause } = error as { readonly cause?: unknown };
  const { code } = (cause ?? error) as { readonly code?: unknown };
  const why = typeof code === "string" ? code : messageOf(error);
  return new FleetlogError(
    "UNAVAILABLE",
    `${url} cannot be reached (${why}): start the platform with npm start, or give its address with --url or FLEETLOG_URL`,
  );
}

async function follow(
  url: string,
  token: () => Promise<string>,
  payload: { readonly query: string; readonly variables: Readonly<Record<string, unknown>> },
  on: { readonly next: (data: unknown) => void; readonly connected?: () => void; readonly lost?: () => void },
  signal: AbortSignal,
): Promise<void> {
  /** Whether the platform was there: only then is it worth waiting for. */
  let connectedOnce = false;
  /** Since the last try; a session that ran out ends with the same code as one that was never granted. */
  let wasConnected = false;
  const backoff = new Backoff({ maxMs: RECONNECT_WITHIN_MS });
  const socket = createSocketClient({
    url: `${url.replace(/^http/, "ws")}/graphql`,
    webSocketImpl: WebSocket,
    retryAttempts: RECONNECTS,
    retryWait: () => backoff.wait(),
    shouldRetry: (event) => {
      const again = connectedOnce && (closeCode(event) !== CloseCode.Forbidden || wasConnected);
      wasConnected = false;
      return again;
    },
    connectionParams: async () => ({ authorization: `Bearer ${await token()}` }),
    on: {
      connected: () => {
        connectedOnce = true;
        backoff.reset();
        wasConnected = true;
        on.connected?.();
      },
      closed: () => {
        if (wasConnected && !signal.aborted) on.lost?.();
      },
    },
  });
  const end = (): void => void socket.dispose();
  signal.addEventListener("abort", end, { once: true });
  try {
    await new Promise<void>((resolve, reject) => {
      if (signal.aborted) return resolve();
      socket.subscribe(
        { query: payload.query, variables: payload.variables },
        {
          next: (result) => {
            try {
              on.next(dataOf<unknown>(result as GraphqlAnswer<unknown>));
            } catch (error) {
              reject(error);
            }
          },
          error: (error) => reject(subscriptionError(url, error)),
          complete: resolve,
        },
      );
    });
  } finally {
    signal.removeEventListener("abort", end);
    await socket.dispose();
  }
}

function closeCode(event: unknown): number | undefined {
  const { code } = (event ?? {}) as { readonly code?: unknown };
  return typeof code === "number" ? code : undefined;
}

/** What graphql-ws gives: a list of GraphQL errors, the close of the socket, or the failure to open it. */
function subscriptionError(url: string, error: unknown): FleetlogError {
  if (Array.isArray(error)) {
    const { message, extensions } = error[0] as GraphQLFormattedError;
    return refusedBy(extensions?.["code"], message);
  }
  if (closeCode(error) === CloseCode.Forbidden) {
    // "CODE: sentence", as the platform closes a socket.
    const reason = String((error as { readonly reason?: unknown }).reason);
    const [, code = "UNAUTHENTICATED", message = reason] = /^([A-Z_]+): (.*)$/s.exec(reason) ?? [];
    return refusedBy(code, message);
  }
  return unreachable(url, error);
}
