import { buildSchema, getIntrospectionQuery, parse } from "graphql";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { printFleetlogSchema } from "../../src/graphql/index.js";
import { MAX_COMPLEXITY, MAX_DEPTH, measure } from "../../src/graphql/limits.js";
import type { Api } from "./api.js";
import { follow, startApi } from "./api.js";
import { waitFor } from "../support/wait-for.js";

const schema = buildSchema(printFleetlogSchema());
const of = (text: string, variables: Record<string, unknown> = {}) =>
  measure(schema, parse(text), undefined, variables);

const many = (field: string) => Array.from({ length: 101 }, (_, n) => `a${n}: ${field}`).join(" ");

/** A query `levels` deep. */
function nested(levels: number): string {
  let text = "deviceId";
  for (let level = levels; level > 3; level -= 4) text = `alerts(first: 1) { edges { node { device { ${text} } } } }`;
  return `{ device(id: "x") { ${text} } }`;
}

describe("what an operation costs", () => {
  it("is its depth, the root field counted", () => {
    expect(of("{ me { role } }").depth).toBe(2);
    expect(of(`{ devices { edges { node { location { site } } } } }`).depth).toBe(5);
  });

  it("grows with the entries asked for, wherever the number comes from", () => {
    const text = `query ($n: Int = 20) { devices(first: $n) { edges { node { deviceId configuration { status } } } } }`;
    const twenty = of(text).cost;
    expect(of(text, { n: 200 }).cost).toBeGreaterThan(6 * twenty);
    expect(of(text.replaceAll("$n: Int = 20", "$m: Int").replace("$n", "20")).cost).toBe(twenty);
  });

  it("counts a fragment's fields where they are spread, and a page that is too long as the longest", () => {
    const plain = of(`{ devices(first: 100) { edges { node { deviceId configuration { status } } } } }`).cost;
    const spread = of(
      `{ devices(first: 100) { ...page } } fragment page on DeviceConnection { edges { node { ...d } } } fragment d on Device { deviceId configuration { status } }`,
    ).cost;
    expect(spread).toBe(plain);
    const most = of(`{ devices(first: 500) { edges { node { deviceId } } } }`).cost;
    expect(of(`{ devices(first: 1000000) { edges { node { deviceId } } } }`).cost).toBe(most);
  });

  it("lets the longest page of whole devices pass, and no such page of pages", () => {
    const fields =
      "deviceId name status lastSeen createdAt connectivity { online since } location { site } configuration { status }";
    expect(of(`{ devices(first: 500) { totalCount edges { cursor node { ${fields} } } } }`).cost).toBeLessThan(
      MAX_COMPLEXITY,
    );
    const pages = `{ devices(first: 500) { edges { node { alerts(first: 100) { edges { node { alertId } } } } } } }`;
    expect(of(pages).cost).toBeGreaterThan(MAX_COMPLEXITY);
  });

  it("makes mutations and the past dear, so that one request holds not thousands of them", () => {
    expect(of(`mutation { ${many('activateDevice(input: { deviceId: "x" }) { shown }')} }`).cost).toBeGreaterThan(
      MAX_COMPLEXITY,
    );
    expect(of(`{ ${many('device(id: "x", asOf: "2026-01-01T00:00:00Z") { name }')} }`).cost).toBeGreaterThan(
      MAX_COMPLEXITY,
    );
    expect(of(`{ ${many('device(id: "x") { name }')} }`).cost).toBeLessThan(MAX_COMPLEXITY);
  });

  it("ends for fragments that spread exponentially", () => {
    const levels = Array.from({ length: 40 }, (_, n) => `fragment f${n} on Device { ...f${n + 1} ...f${n + 1} }`);
    const text = `{ device(id: "x") { ...f0 } } ${levels.join(" ")} fragment f40 on Device { deviceId }`;
    expect(of(text).cost).toBeGreaterThan(MAX_COMPLEXITY);
  });
});

describe("the API refuses", () => {
  let api: Api;
  let token: string;

  beforeAll(async () => {
    api = await startApi();
    token = await api.token(await api.river.createTenant());
  });
  afterAll(() => api.stop());

  it("what is too deep, with the most in the details", async () => {
    const answer = await api.ask(token, nested(MAX_DEPTH + 4));
    expect(answer.status).toBe(400);
    expect(answer.codes).toEqual(["QUERY_TOO_COMPLEX"]);
    expect(answer.errors[0]?.message).toContain(`${MAX_DEPTH} is the most`);
    expect((await api.ask(token, nested(MAX_DEPTH - 4))).errors).toEqual([]);
  });

  it.each([
    ["fields", `${"{a".repeat(3_000)}${"}".repeat(3_000)}`],
    ["lists", `{ device(id: ${"[".repeat(4_900)}${"]".repeat(4_900)}) { deviceId } }`],
    ["objects", `{ devices(filter: ${"{a:".repeat(3_000)}1${"}".repeat(3_000)}) { totalCount } }`],
  ])("%s within each other beyond what a parser's stack holds, over a socket too", async (_, query) => {
    expect(await api.ask(token, query)).toMatchObject({ status: 400, codes: ["QUERY_TOO_COMPLEX"] });
    const followed = follow(api.socket(token), query);
    const failure = await waitFor(() => followed.failure ?? false);
    expect(failure).toMatchObject([{ extensions: { code: "QUERY_TOO_COMPLEX" } }]);
  });

  it("but not brackets that are only written about", async () => {
    const text = "([{".repeat(500);
    const answer = await api.ask(token, `{ device(id: "${text}") { deviceId } } # ${text}`);
    expect(answer.codes).toEqual(["INVALID_VALUE"]);
  });

  it("what costs too much, over a socket too", async () => {
    const query = `{ devices(first: 500) { edges { node { alerts(first: 100) { edges { node { alertId } } } } } } }`;
    expect((await api.ask(token, query)).codes).toEqual(["QUERY_TOO_COMPLEX"]);
    const followed = follow(api.socket(token), query);
    const failure = await waitFor(() => followed.failure ?? false);
    expect(failure).toMatchObject([{ extensions: { code: "QUERY_TOO_COMPLEX" } }]);
  });

  it("what is no GraphQL, asks for what is not there, or is longer than may be parsed", async () => {
    const broken = await api.ask(token, "{ devices { ");
    expect(broken).toMatchObject({ status: 400, codes: ["BAD_REQUEST"] });
    expect((await api.ask(token, "{ nonsense }")).codes).toEqual(["BAD_REQUEST"]);
    expect((await api.ask(token, `{ device(id: "x", asOf: "yesterday") { deviceId } }`)).codes).toEqual([
      "BAD_REQUEST",
    ]);
    const long = `{ ${Array.from({ length: 5_000 }, (_, n) => `a${n}: __typename`).join(" ")} }`;
    expect((await api.ask(token, long)).codes).toEqual(["BAD_REQUEST"]);
  });

  it("nothing of what tools ask to know the schema", async () => {
    const answer = await api.ask(token, getIntrospectionQuery());
    expect(answer.errors).toEqual([]);
    expect(answer.data.__schema.queryType.name).toBe("Query");
  });

  it("with a correlation id, the caller's where it is one, and no trace of our insides", async () => {
    const response = await fetch(`${api.url}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${token}`, "x-correlation-id": "mine-1" },
      body: JSON.stringify({ query: `{ device(id: "a b") { deviceId } }` }),
    });
    const text = await response.text();
    expect(response.headers.get("x-correlation-id")).toBe("mine-1");
    expect(JSON.parse(text)).toMatchObject({
      errors: [{ path: ["device"], extensions: { code: "INVALID_VALUE", correlationId: "mine-1" } }],
    });
    expect(text).not.toMatch(/stack|node_modules|\.ts/);
  });

  it("and counts what it refuses, by code", async () => {
    expect(await api.metrics()).toMatch(/fleetlog_graphql_errors_total\{code="QUERY_TOO_COMPLEX"\} [1-9]/);
  });

  it("a form post from another site's page", async () => {
    const response = await fetch(`${api.url}/graphql?query=${encodeURIComponent("{ me { role } }")}`, {
      headers: { authorization: `Bearer ${token}` },
    });
    expect(response.status).toBe(400);
    expect(await response.text()).toContain("CSRF");
  });
});
