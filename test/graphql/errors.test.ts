import { GraphQLError } from "graphql";
import { MongoServerSelectionError, MongoServerError } from "mongodb";
import { describe, expect, it } from "vitest";
import { DomainError } from "../../src/domain/error.js";
import { deviceId, tenantId } from "../../src/domain/ids.js";
import { connectEventStore } from "../../src/engines/eventstore.js";
import { deviceAsOf } from "../../src/graphql/device/history.js";
import { formatError, requestError, seenError } from "../../src/graphql/errors.js";
import { FleetlogError } from "../../src/platform/errors.js";

const wrapped = (originalError: Error) => new GraphQLError(originalError.message, { originalError, path: ["device"] });

describe("an error is seen as an entry of the error table", () => {
  it("with the code, the sentence and the details that ours have, however deep they are wrapped", () => {
    const stale = new DomainError("VERSION_CONFLICT", "it has changed", { currentVersion: 2 });
    expect(seenError(wrapped(wrapped(stale)))).toEqual({
      code: "VERSION_CONFLICT",
      message: "it has changed",
      details: { currentVersion: 2 },
    });
    expect(seenError(new FleetlogError("NOT_FOUND", "gone")).code).toBe("NOT_FOUND");
  });

  it("as UNAVAILABLE where the event store is away, as its client really says it", async () => {
    const client = connectEventStore("esdb://127.0.0.1:9?tls=false&maxDiscoverAttempts=1");
    const failure: unknown = await deviceAsOf(client, tenantId("t"), deviceId("d"), new Date()).catch(
      (error: unknown) => error,
    );
    await client.dispose();
    expect(seenError(failure)).toMatchObject({ code: "UNAVAILABLE" });
  });

  it("as UNAVAILABLE where an engine is away, as INTERNAL where it found a mistake of ours", () => {
    const away = new Error("connect ECONNREFUSED 10.0.0.7:27017");
    away.name = MongoServerSelectionError.name;
    expect(seenError(wrapped(away))).toMatchObject({ code: "UNAVAILABLE" });
    expect(seenError(wrapped(away)).message).not.toContain("10.0.0.7");
    expect(seenError(wrapped(new MongoServerError({ message: "unknown operator" }))).code).toBe("INTERNAL");
  });

  it("as INTERNAL where it is none of ours, and nothing of it is told", () => {
    expect(formatError({ message: "password=1", path: ["a"] }, wrapped(new Error("password=1")))).toEqual({
      message: "something went wrong on our side: the log has it",
      path: ["a"],
      extensions: { code: "INTERNAL" },
    });
    expect(seenError("a string that was thrown").code).toBe("INTERNAL");
  });

  it("as BAD_REQUEST where GraphQL itself refuses the text", () => {
    expect(seenError(new GraphQLError("Syntax Error")).code).toBe("BAD_REQUEST");
    expect(seenError(new GraphQLError("no", { extensions: { code: "GRAPHQL_VALIDATION_FAILED" } })).code).toBe(
      "BAD_REQUEST",
    );
  });

  it("with its HTTP status where it refuses the whole request", () => {
    expect(requestError(new FleetlogError("UNAUTHENTICATED", "no token")).extensions).toEqual({
      code: "UNAUTHENTICATED",
      http: { status: 401 },
    });
  });
});
