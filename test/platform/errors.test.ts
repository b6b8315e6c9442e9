import { describe, expect, it } from "vitest";
import type { DomainErrorCode } from "../../src/domain/error.js";
import { errorTable, FleetlogError, isFleetlogError, messageOf } from "../../src/platform/errors.js";
import type { ErrorCode } from "../../src/platform/errors.js";

/** Every code of the domain is one of the table's: this line does not compile otherwise. */
const ofTheDomain: Readonly<Record<DomainErrorCode, ErrorCode>> = {
  NOT_FOUND: "NOT_FOUND",
  ALREADY_EXISTS: "ALREADY_EXISTS",
  ILLEGAL_TRANSITION: "ILLEGAL_TRANSITION",
  VERSION_CONFLICT: "VERSION_CONFLICT",
  INVALID_VALUE: "INVALID_VALUE",
  LIMIT_EXCEEDED: "LIMIT_EXCEEDED",
};

/** The PUBACK, CONNACK and DISCONNECT reason codes of MQTT 5 (OASIS standard, table 2-6) that say a failure. */
const mqttFailures = new Set(Array.from({ length: 0xa2 - 0x80 + 1 }, (_, n) => 0x80 + n));

describe("the error table", () => {
  it.each(Object.entries(errorTable))("gives %s a form at every door", (code, { http, mqtt, meaning }) => {
    expect(code).toMatch(/^[A-Z]+(?:_[A-Z]+)*$/u);
    expect(http).toBeGreaterThanOrEqual(400);
    expect(http).toBeLessThan(600);
    expect(mqttFailures).toContain(mqtt);
    expect(meaning).toMatch(/^[a-z].*[^.]$/u);
  });

  it("gives each code a meaning of its own", () => {
    const meanings = Object.values(errorTable).map(({ meaning }) => meaning);
    expect(new Set(meanings).size).toBe(meanings.length);
  });

  it.each(Object.entries(ofTheDomain))("knows the domain's %s, and blames the caller for it", (code, known) => {
    expect(known).toBe(code);
    expect(errorTable[known].http).toBeLessThan(500);
  });

  it("says of the platform's own failures that they are the platform's", () => {
    expect([errorTable.UNAVAILABLE.http, errorTable.INTERNAL.http]).toEqual([503, 500]);
  });
});

describe("an error", () => {
  it("carries its code, its sentence, its details and what caused it", () => {
    const cause = new Error("socket closed");
    const error = new FleetlogError("UNAVAILABLE", "try again", { engine: "nats" }, { cause });
    expect(error).toMatchObject({ name: "FleetlogError", code: "UNAVAILABLE", details: { engine: "nats" }, cause });
    expect(isFleetlogError(error)).toBe(true);
  });

  it.each([new Error("x"), "x", undefined, null, { code: "NOT_FOUND" }])("is not anything thrown: %j", (thrown) => {
    expect(isFleetlogError(thrown)).toBe(false);
  });

  it.each([
    [new Error("gone"), "gone"],
    ["gone", "gone"],
    [undefined, "undefined"],
    [42, "42"],
  ])("of any kind has a text", (thrown, text) => {
    expect(messageOf(thrown)).toBe(text);
  });
});
