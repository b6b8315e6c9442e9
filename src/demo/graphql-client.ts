/**
 * A small GraphQL client over kept-alive HTTP connections: the demo does everything as a front end would, and the benches
 * must not measure a client library.
 */
import { Agent, request } from "node:http";
import type { IncomingMessage } from "node:http";
import { FleetlogError } from "../platform/errors.js";

export interface GraphqlClient {
  /** Throws GraphqlRefusal with the first error's code and message, and FleetlogError UNAVAILABLE when nothing answers. */
  ask<T>(query: string, variables?: Readonly<Record<string, unknown>>): Promise<T>;
  close(): void;
}

/** An error that the API answered with. */
export class GraphqlRefusal extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(`${code}: ${message}`);
    this.name = "GraphqlRefusal";
    this.code = code;
  }
}

interface Answer<T> {
  readonly data?: T | null;
  readonly errors?: readonly { readonly message: string; readonly extensions?: { readonly code?: string } }[];
}

export interface GraphqlClientOptions {
  /** The platform's HTTP address, without a path. */
  readonly httpUrl: string;
  readonly token: string;
  /** Requests beyond it wait in line. 32 when not given. */
  readonly connections?: number;
}

const TIMEOUT_MS = 30_000;

export function createGraphqlClient({ httpUrl, token, connections = 32 }: GraphqlClientOptions): GraphqlClient {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const url = new URL("/graphql", httpUrl);

  function post(body: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const fail = (error: Error): void =>
        reject(new FleetlogError("UNAVAILABLE", `${url.href} does not answer: ${error.message}`, {}, { cause: error }));
      const asked = request(url, {
        agent,
        method: "POST",
        timeout: TIMEOUT_MS,
        headers: {
          "content-type": "application/json",
          "content-length": Buffer.byteLength(body),
          authorization: `Bearer ${token}`,
        },
      });
      asked.once("response", (response: IncomingMessage) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.once("end", () => resolve(Buffer.concat(chunks).toString("utf8")));
        response.once("error", fail);
      });
      asked.once("timeout", () => asked.destroy(new Error(`no answer within ${TIMEOUT_MS} ms`)));
      asked.once("error", fail);
      asked.end(body);
    });
  }

  return {
    async ask<T>(query: string, variables: Readonly<Record<string, unknown>> = {}): Promise<T> {
      const text = await post(JSON.stringify({ query, variables }));
      const { data, errors } = parseAnswer<T>(text);
      const [error] = errors ?? [];
      if (error !== undefined) throw new GraphqlRefusal(error.extensions?.code ?? "INTERNAL", error.message);
      if (data === undefined || data === null) throw new GraphqlRefusal("INTERNAL", "the answer holds no data");
      return data;
    },
    close: () => agent.destroy(),
  };
}

function parseAnswer<T>(text: string): Answer<T> {
  try {
    return JSON.parse(text) as Answer<T>;
  } catch (error) {
    throw new FleetlogError("UNAVAILABLE", `the API answered no JSON: ${text.slice(0, 200)}`, {}, { cause: error });
  }
}
