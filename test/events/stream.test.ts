import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { categories, parseStreamName, streamName } from "../../src/events/index.js";

const id = fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/u);

describe("a stream's name", () => {
  it.each([
    ["device", "acme", "press-1", "device-acme.press-1"],
    ["deviceType", "acme", "press", "deviceType-acme.press"],
    ["alertRule", "a-b", "0192f0c1-9a8b-7c6d-9e4f-3a2b1c0d9e8f", "alertRule-a-b.0192f0c1-9a8b-7c6d-9e4f-3a2b1c0d9e8f"],
    ["tenant", "acme", "acme", "tenant-acme.acme"],
  ] as const)("of %s %s %s is %s, for as long as there are events", (category, tenant, name, stream) => {
    expect(streamName(category, tenant, name)).toBe(stream);
  });

  it("gives back what it was made of, whatever the ids", () => {
    fc.assert(
      fc.property(fc.constantFrom(...categories), id, id, (category, tenantId, name) => {
        expect(parseStreamName(streamName(category, tenantId, name))).toEqual({ category, tenantId, id: name });
      }),
    );
  });

  it.each([
    "",
    "-",
    "device",
    "device-",
    "device-acme",
    "order-acme.17",
    "$$device-acme.press-1",
    "$ce-device",
    "-a.b",
    "Device-a.b",
  ])("is none of ours when it is %j", (stream) => {
    expect(parseStreamName(stream)).toBeUndefined();
  });
});
