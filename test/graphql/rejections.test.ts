import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ensureIngestStreams, startRejectionLedger } from "../../src/ingest/index.js";
import type { Outcome } from "../../src/ingest/index.js";
import type { TenantId } from "../../src/domain/ids.js";
import type { Running } from "../../src/platform/lifecycle.js";
import { silentLogger } from "../../src/platform/logger.js";
import { createMetrics } from "../../src/platform/metrics.js";
import { waitFor } from "../support/wait-for.js";
import type { Api } from "./api.js";
import { startApi } from "./api.js";

let api: Api;
let ledger: Running;
let tenant: TenantId;
let device: string;
let operator: string;
let viewer: string;

const REJECTIONS = `query($filter: RejectionFilterInput, $first: Int!, $after: String) {
  rejections(filter: $filter, first: $first, after: $after) {
    totalCount pageInfo { hasNextPage endCursor }
    edges { node { rejectionId deviceId door code reason topic payload replayable replayed { outcome by reason } } }
  }
}`;
const REPLAY = `mutation($input: ReplayRejectionsInput!) {
  replayRejections(input: $input) { more results { rejectionId outcome code reason } }
}`;

beforeAll(async () => {
  api = await startApi();
  const { nats, mongo } = api.river;
  await ensureIngestStreams(nats);
  ledger = startRejectionLedger({ nc: nats, db: mongo.db, logger: silentLogger, metrics: createMetrics() });
  tenant = await api.river.createTenant();
  device = await api.river.registerDevice(tenant);
  operator = await api.token(tenant, "OPERATOR");
  viewer = await api.token(tenant, "VIEWER");
  await api.must(operator, `mutation($id: ID!) { activateDevice(input: {deviceId: $id}) { shown } }`, { id: device });
  for (const payload of ["nonsense", '{"a":{}}', "nonsense again"]) await refuse(payload);
  await waitFor(async () => {
    const { rejectionCounts } = await api.must(viewer, `{ rejectionCounts(by: DOOR) { count } }`);
    return rejectionCounts[0]?.count === 3;
  });
});
afterAll(async () => {
  await ledger.stop();
  await api.stop();
});

/** What the pipeline refuses, as a door gives it in. */
async function refuse(payload: string): Promise<void> {
  const access = await waitFor(() => api.registry.find(tenant, device), { what: "the device to be shown" });
  const source = { door: "mqtt", topic: `v1/${tenant}/${device}/telemetry` } as const;
  const outcome = await new Promise<Outcome>((done) =>
    api.ingest.accept("telemetry", access, Buffer.from(payload), source, done),
  );
  expect(outcome.kind).toBe("refused");
}

async function counts(by: string): Promise<unknown> {
  return (await api.must(viewer, `{ rejectionCounts(by: ${by}) { key count } }`)).rejectionCounts;
}

describe("rejections", () => {
  it("are shown newest first, by pages, filtered", async () => {
    const { rejections: first } = await api.must(viewer, REJECTIONS, { first: 2 });
    expect(first.totalCount).toBe(3);
    expect(first.edges.map(({ node }: { node: { payload: string } }) => node.payload)).toEqual([
      "nonsense again",
      '{"a":{}}',
    ]);
    const { rejections: rest } = await api.must(viewer, REJECTIONS, { first: 2, after: first.pageInfo.endCursor });
    expect(rest.edges).toMatchObject([
      { node: { deviceId: device, door: "mqtt", code: "MALFORMED_PAYLOAD", payload: "nonsense", replayable: true } },
    ]);
    const { rejections: invalid } = await api.must(viewer, REJECTIONS, { first: 9, filter: { code: "INVALID_VALUE" } });
    expect(invalid.totalCount).toBe(1);
  });

  it("are counted by code, door and device", async () => {
    expect(await counts("CODE")).toEqual([
      { key: "MALFORMED_PAYLOAD", count: 2 },
      { key: "INVALID_VALUE", count: 1 },
    ]);
    expect(await counts("DOOR")).toEqual([{ key: "mqtt", count: 3 }]);
    expect(await counts("DEVICE")).toEqual([{ key: device, count: 3 }]);
  });

  it("are nobody's but the tenant's, and a viewer replays none", async () => {
    const other = await api.token(await api.river.createTenant(), "ADMIN");
    expect((await api.must(other, REJECTIONS, { first: 9 })).rejections.totalCount).toBe(0);
    expect((await api.must(other, `{ rejectionCounts { count } }`)).rejectionCounts).toEqual([]);
    const { rejections } = await api.must(viewer, REJECTIONS, { first: 1 });
    const ids = [rejections.edges[0].node.rejectionId];
    const { replayRejections } = await api.must(other, REPLAY, { input: { ids } });
    expect(replayRejections.results).toMatchObject([{ outcome: "NOT_FOUND" }]);
    expect((await api.ask(viewer, REPLAY, { input: { ids } })).codes).toEqual(["FORBIDDEN"]);
  });

  it("are replayed, and say so: what is refused again says why and by whom it was tried", async () => {
    const { replayRejections } = await api.must(operator, REPLAY, { input: { filter: { code: "INVALID_VALUE" } } });
    expect(replayRejections).toMatchObject({ more: false, results: [{ outcome: "REFUSED", code: "INVALID_VALUE" }] });
    const { rejections } = await api.must(viewer, REJECTIONS, { first: 9, filter: { code: "INVALID_VALUE" } });
    expect(rejections.edges[0].node.replayed).toMatchObject({ outcome: "REFUSED" });
    expect(rejections.edges[0].node.replayed.by).toContain("operator@example.org");
  });

  it.each([
    [{ input: {} }, "BAD_REQUEST", /either `ids` or `filter`/u],
    [{ input: { filter: { door: "window" } } }, "BAD_REQUEST", /door is "window"/u],
    [{ input: { filter: { code: "NO_SUCH" } } }, "BAD_REQUEST", /no such code/u],
    [{ input: { ids: Array.from({ length: 501 }, (_, n) => `id-${n}`) } }, "PAGE_TOO_LARGE", /at most 500/u],
  ])("a mistake in what is asked is named: %#", async (variables, code, message) => {
    const { errors } = await api.ask(operator, REPLAY, variables);
    expect(errors[0]?.extensions.code).toBe(code);
    expect(errors[0]?.message).toMatch(message);
  });
});
