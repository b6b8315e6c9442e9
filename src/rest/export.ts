/**
 * Telemetry for taking away: `GET /v1/export/{tenant}/telemetry`, as CSV (RFC 4180) or JSON lines. A stream: a page of
 * readings is asked of InfluxDB when the client has taken the one before, so a year costs the memory of a page, and
 * a client that leaves ends the questions.
 */
import { Readable } from "node:stream";
import { createGzip } from "node:zlib";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { deviceId as checkedDeviceId } from "../domain/ids.js";
import type { DeviceId } from "../domain/ids.js";
import type { TelemetryQueries } from "../ingest/index.js";
import { FleetlogError } from "../platform/errors.js";
import type { DeviceQueries } from "../projections/index.js";
import { lineWriter } from "./export-formats.js";
import { readExportRequest } from "./export-request.js";
import type { ExportRequest } from "./export-request.js";
import { bearerToken } from "./tokens.js";
import type { Session } from "./tokens.js";

export interface ExportDeps {
  readonly telemetry: Pick<TelemetryQueries, "export">;
  readonly devices: Pick<DeviceQueries, "find">;
  /** Throws UNAUTHENTICATED for a token that is none of ours, or has ended. */
  readonly authenticate: (token: string) => Promise<Session>;
}

/** Downloads at once, of a process; each asks InfluxDB one question at a time. */
const MAX_EXPORTS = 16;
const MAX_EXPORTS_A_TENANT = 4;
const PATH = "/v1/export/:tenant/telemetry";

export function registerExport(app: FastifyInstance, deps: ExportDeps): void {
  const underWay = new Set<{ readonly tenant: string; readonly leaving: AbortController }>();
  // A long download would keep the server from ever closing.
  app.addHook("preClose", async () => {
    for (const { leaving } of underWay) leaving.abort(new Error("the server stops"));
  });

  app.get(PATH, async (request: FastifyRequest, reply: FastifyReply) => {
    const { tenant } = request.params as { readonly tenant: string };
    await authorize(deps, request, tenant);
    const wanted = readExportRequest(request.query);
    const devices = await devicesOf(deps, tenant, wanted);
    const ofTenant = [...underWay].filter((other) => other.tenant === tenant).length;
    if (underWay.size >= MAX_EXPORTS || ofTenant >= MAX_EXPORTS_A_TENANT) {
      throw new FleetlogError(
        "LIMIT_EXCEEDED",
        `${ofTenant} exports of this tenant are under way, and ${MAX_EXPORTS_A_TENANT} are the most at once: wait for one to end`,
      );
    }
    const leaving = new AbortController();
    const one = { tenant, leaving };
    underWay.add(one);
    reply.raw.once("close", () => {
      underWay.delete(one);
      leaving.abort(new Error("the client has left"));
    });
    try {
      const pieces = piecesOf(deps, tenant, devices, wanted, leaving.signal);
      // What cannot be answered at all is still an answer with a status; later the connection is all that can break.
      const first = await pieces.next();
      return await send(request, reply, wanted, continued(first, pieces));
    } catch (error) {
      underWay.delete(one);
      throw error;
    }
  });
}

async function authorize(deps: ExportDeps, request: FastifyRequest, tenant: string): Promise<void> {
  const token = bearerToken(request.headers.authorization);
  if (token === undefined) {
    throw new FleetlogError("UNAUTHENTICATED", "there is no token: send `Authorization: Bearer TOKEN`");
  }
  // Whatever their role, people may read their own tenant's telemetry.
  const { actor } = await deps.authenticate(token);
  if (actor.tenantId !== tenant) throw new FleetlogError("FORBIDDEN", "the token is not for this tenant");
}

/** The devices must be there: an empty file for a misspelt id would look like a silent device. */
async function devicesOf(deps: ExportDeps, tenant: string, { devices }: ExportRequest): Promise<readonly DeviceId[]> {
  const found: DeviceId[] = [];
  for (const id of devices) {
    const device = await deps.devices.find(tenant, checkedDeviceId(id));
    if (device === undefined) throw new FleetlogError("NOT_FOUND", `there is no device ${id} in this tenant`);
    found.push(device.deviceId);
  }
  return found;
}

async function* piecesOf(
  { telemetry }: ExportDeps,
  tenant: string,
  devices: readonly DeviceId[],
  { format, ...query }: ExportRequest,
  signal: AbortSignal,
): AsyncGenerator<string> {
  const lines = lineWriter(format, query.resolution !== undefined);
  if (lines.head !== "") yield lines.head;
  for (const device of devices) {
    for await (const rows of telemetry.export(tenant, device, query, signal)) {
      yield rows.map((row) => lines.line(device, row)).join("");
    }
  }
}

async function* continued(
  first: IteratorResult<string, unknown>,
  rest: AsyncGenerator<string>,
): AsyncGenerator<string> {
  if (first.done === true) return;
  yield first.value;
  yield* rest;
}

function send(
  request: FastifyRequest,
  reply: FastifyReply,
  { format }: ExportRequest,
  pieces: AsyncGenerator<string>,
): FastifyReply {
  const type = format === "csv" ? "text/csv; charset=utf-8; header=present" : "application/x-ndjson; charset=utf-8";
  reply
    .header("content-type", type)
    .header("content-disposition", `attachment; filename="telemetry.${format}"`)
    .header("vary", "accept-encoding");
  // Piece by piece: one is made while the one before is sent, and none beyond.
  const text = Readable.from(pieces, { objectMode: true, highWaterMark: 1 });
  if (!takesGzip(request.headers["accept-encoding"])) return reply.send(text);
  const zip = createGzip({ level: 3 });
  text.on("error", (error) => zip.destroy(error));
  zip.on("close", () => text.destroy());
  return reply.header("content-encoding", "gzip").send(text.pipe(zip));
}

function takesGzip(header: string | readonly string[] | undefined): boolean {
  return String(header ?? "")
    .split(",")
    .some((coding) => /^\s*(?:gzip|\*)\s*(?:;\s*q=(?!0(?:\.0*)?\s*$).*)?$/iu.test(coding));
}
