import { describe, expect, test } from "vitest";
import {
  formatOfContentFormat,
  formatOfContentType,
  formatOfSuffix,
  formatSuffixes,
} from "../../../src/ingest/codecs/format.js";
import { classifyTopic } from "../../../src/ingest/topics.js";

describe("a message says its form", () => {
  test.each([
    [undefined, undefined],
    ["", undefined],
    ["application/json", "json"],
    ["Application/JSON; charset=utf-8", "json"],
    ["application/cbor", "cbor"],
    ["application/senml+json", "senml+json"],
    ["application/senml+cbor", "senml+cbor"],
    ["application/x-protobuf", "protobuf"],
    ["application/protobuf", "protobuf"],
    // What curl says when it is told nothing.
    ["application/x-www-form-urlencoded", undefined],
    ["application/octet-stream", undefined],
    ["application/xml", "unsupported"],
    ["constructor", "unsupported"],
  ])("by the content type %s", (contentType, format) => {
    expect(formatOfContentType(contentType)).toBe(format);
  });

  test.each([
    [undefined, undefined],
    [0, undefined],
    [42, undefined],
    [50, "json"],
    [60, "cbor"],
    [110, "senml+json"],
    [112, "senml+cbor"],
    [41, "unsupported"],
  ])("by CoAP's content format %s", (number, format) => {
    expect(formatOfContentFormat(number)).toBe(format);
  });

  test("by the topic's last level", () => {
    for (const suffix of formatSuffixes) {
      expect(classifyTopic(`v1/acme/d1/telemetry/${suffix}`, "acme", "d1")).toEqual({
        about: "self",
        kind: "telemetry",
        format: formatOfSuffix(suffix),
      });
    }
    expect(classifyTopic("v1/acme/d1/telemetry/xml", "acme", "d1")).toMatchObject({
      code: "TOPIC_NOT_ALLOWED",
      message: expect.stringMatching(/names no form: it is one of json, cbor/u) as unknown,
    });
  });
});
