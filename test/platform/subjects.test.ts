import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { streams, subjects } from "../../src/platform/subjects.js";

const id = fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/u);

describe("the public subjects, which integrators rely on", () => {
  it.each([
    [subjects.telemetry("acme", "press-1"), "fleetlog.acme.telemetry.press-1"],
    [subjects.event("acme", "DeviceActivated", "press-1"), "fleetlog.acme.events.DeviceActivated.press-1"],
    [subjects.alert("acme", "HIGH", "press-1"), "fleetlog.acme.alerts.HIGH.press-1"],
    [subjects.ingest("acme", "press-1"), "fleetlog.acme.ingest.press-1"],
  ])("%s is as the contract has it", (subject, contract) => {
    expect(subject).toBe(contract);
  });
});

/** As a NATS server matches a subject against a subscription's. */
function matches(pattern: string, subject: string): boolean {
  const [wanted, given] = [pattern.split("."), subject.split(".")];
  return wanted.length === given.length && wanted.every((token, n) => token === "*" || token === given[n]);
}

describe("no tenant and no device", () => {
  it("is heard on another's subject, whatever it is called", () => {
    fc.assert(
      fc.property(id, id, id, id, (tenant, device, otherTenant, otherDevice) => {
        fc.pre(tenant !== otherTenant || device !== otherDevice);
        for (const subject of [subjects.telemetry, subjects.ingest, subjects.rejection]) {
          expect(matches(subject(tenant, device), subject(otherTenant, otherDevice))).toBe(false);
        }
      }),
    );
  });

  it("is heard on a subject of ours, whatever it is called", () => {
    fc.assert(
      fc.property(id, id, (tenant, device) => {
        const ours = [
          subjects.frames(0),
          subjects.report("config", "t", "d"),
          subjects.rejection("t", "d"),
          subjects.seen,
          subjects.changed("device", "t", "d"),
          subjects.shown("devices"),
          subjects.rebuild,
        ].map((subject) => subject.split(".")[0]);
        for (const theirs of [subjects.telemetry(tenant, device), subjects.ingest(tenant, device)]) {
          expect(ours).not.toContain(theirs.split(".")[0]);
        }
      }),
    );
  });
});

it("each JetStream stream has a name of its own that NATS takes", () => {
  const names = Object.values(streams);
  expect(new Set(names).size).toBe(names.length);
  for (const name of names) expect(name).toMatch(/^[A-Z_]+$/u);
});
