import type { Socket } from "node:net";
import type { FastifyInstance } from "fastify";
import type { ErrorCode } from "../platform/errors.js";
import { errorTable, isFleetlogError } from "../platform/errors.js";
import { DomainError } from "../domain/error.js";

interface HttpError {
  readonly code: ErrorCode;
  readonly message: string;
}

/** What the HTTP server itself found wrong with a request, by its status. */
function ofStatus(error: unknown): HttpError | undefined {
  const { statusCode, message } = error as { readonly statusCode?: unknown; readonly message?: unknown };
  if (typeof statusCode !== "number" || statusCode < 400 || statusCode > 499) return undefined;
  if (statusCode === 413) return { code: "PAYLOAD_TOO_LARGE", message: "the body is larger than this door takes" };
  return { code: "BAD_REQUEST", message: String(message) };
}

/** One form for every error of HTTP: `{"error": {"code", "message"}}`, with the status of the error table. Anything unknown is logged and told as INTERNAL. */
export function setHttpErrors(app: FastifyInstance): void {
  app.setErrorHandler((error, request, reply) => {
    const seen: HttpError | undefined =
      isFleetlogError(error) || error instanceof DomainError
        ? { code: error.code, message: error.message }
        : ofStatus(error);
    if (seen === undefined) {
      request.log.error({ err: error, method: request.method, url: request.url }, "a request failed");
    }
    const { code, message } = seen ?? { code: "INTERNAL", message: "something went wrong on our side: the log has it" };
    return reply.code(errorTable[code].http).send({ error: { code, message, correlationId: request.id } });
  });
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split("?", 1)[0] ?? "";
    return reply.code(404).send({
      error: {
        code: "NOT_FOUND",
        message: `there is nothing at ${request.method} ${path.slice(0, 200)}: see docs/reference`,
        correlationId: request.id,
      },
    });
  });
}

/** What arrives is no HTTP, or too slow, or has too long a head: answered in our form before any request exists, and the connection ended. */
export function answerClientError(error: { readonly code?: string }, socket: Socket): void {
  if (error.code === "ECONNRESET" || socket.destroyed) return;
  const [status, code, message] = clientErrors[error.code ?? ""] ?? clientErrors[""];
  const body = JSON.stringify({ error: { code, message } });
  if (socket.writable) {
    socket.write(
      `HTTP/1.1 ${status}\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
    );
  }
  socket.destroySoon();
}

type ClientError = readonly [status: string, code: ErrorCode, message: string];
const clientErrors: Readonly<Record<string, ClientError>> & { readonly "": ClientError } = {
  HPE_HEADER_OVERFLOW: [
    "431 Request Header Fields Too Large",
    "PAYLOAD_TOO_LARGE",
    "the head of the request has more than 16 KiB",
  ],
  ERR_HTTP_REQUEST_TIMEOUT: [
    "408 Request Timeout",
    "BAD_REQUEST",
    "the request was not here, whole, within its time: send it again",
  ],
  "": ["400 Bad Request", "BAD_REQUEST", "this is not HTTP/1.1 as it should be: the request cannot be read"],
};
