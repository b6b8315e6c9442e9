import * as fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { WebSocket } from "ws";
import type { Api } from "./api.js";
import { startApi } from "./api.js";

let api: Api;
let token: string;

beforeAll(async () => {
  api = await startApi();
  token = await api.token(await api.river.createTenant());
});
afterAll(() => api.stop());

/** Bodies that nobody sends by mistake alone: any JSON, any text, and requests whose parts are of any kind. */
const body = fc.oneof(
  fc.json(),
  fc.string({ unit: "binary", maxLength: 200 }),
  fc
    .record(
      {
        query: fc.oneof(fc.string(), fc.constant("query ($v: JSONObject) { me { role } }"), fc.anything()),
        variables: fc.anything(),
        operationName: fc.anything(),
        extensions: fc.anything(),
      },
      { requiredKeys: [] },
    )
    .map(
      (value) =>
        JSON.stringify(value, (_key, inner: unknown) => (typeof inner === "bigint" ? String(inner) : inner)) ?? "",
    ),
);

it("answers any body with a status below 500 and an error of the table, or with what it asked for", async () => {
  await fc.assert(
    fc.asyncProperty(body, async (text) => {
      const response = await fetch(`${api.url}/graphql`, {
        method: "POST",
        headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
        body: text,
      });
      const answer = await response.text();
      expect(response.status, `${text} → ${answer}`).toBeLessThan(500);
      expect(answer).not.toContain('"INTERNAL"');
      expect(JSON.parse(answer)).toBeTypeOf("object");
    }),
    { numRuns: 150 },
  );
});

it("outlives any bytes on a socket", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.oneof(fc.json(), fc.uint8Array()), { maxLength: 5 }), async (messages) => {
      const socket = new WebSocket(`${api.url.replace("http", "ws")}/graphql`, "graphql-transport-ws");
      const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
      socket.on("error", () => undefined);
      socket.once("open", () => {
        socket.send(JSON.stringify({ type: "connection_init", payload: { authorization: `Bearer ${token}` } }));
        for (const message of messages) socket.send(message);
        socket.close();
      });
      await closed;
    }),
    { numRuns: 50 },
  );
  expect((await api.ask(token, "{ me { role } }")).errors).toEqual([]);
});
