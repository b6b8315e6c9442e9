import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { deviceDecider, MAX_CREDENTIALS } from "../../../src/domain/device/index.js";
import type { DeviceCommand, DeviceEvent, DeviceState } from "../../../src/domain/device/index.js";
import { DomainError } from "../../../src/domain/error.js";
import { fold } from "../../support/decider-specification.js";
import { EARLIER, LATER, NOW } from "../clock.js";
import { command, credential, gateway, key, otherGateway, press } from "./press.js";

const text = fc.string({ maxLength: 60 });
const details = fc.record(
  {
    name: text,
    firmwareVersion: text,
    location: fc.record({ site: text, latitude: fc.double() }, { requiredKeys: [] }),
    metadata: fc.dictionary(text, fc.oneof(fc.boolean(), fc.integer(), text), { maxKeys: 3 }),
  },
  { requiredKeys: [] },
);
/** Few enough that a sequence meets each more than once, more than a device may hold. */
const someCredential = fc.integer({ min: 0, max: MAX_CREDENTIALS + 3 });
const version = fc.integer({ min: -1, max: 6 });

const anyCommand: fc.Arbitrary<DeviceCommand> = fc.oneof(
  details.map((given) => command("RegisterDevice", { ...press, ...given })),
  fc
    .tuple(details, fc.subarray(["name", "firmwareVersion", "location", "metadata"]))
    .map(([given, gone]) =>
      command("ChangeDeviceDetails", { ...given, ...Object.fromEntries(gone.map((field) => [field, null])) }),
    ),
  fc.constantFrom(
    command("ActivateDevice", {}),
    command("DeactivateDevice", {}),
    command("StartMaintenance", {}),
    command("EndMaintenance", {}),
  ),
  // Rare, or few sequences would get far.
  { weight: 1, arbitrary: fc.constant(command("DecommissionDevice", {})) },
  {
    weight: 6,
    arbitrary: fc
      .tuple(someCredential, fc.constantFrom(undefined, EARLIER, LATER))
      .map(([n, expiresAt]) => command("IssueCredential", key(n, expiresAt))),
  },
  { weight: 3, arbitrary: someCredential.map((n) => command("RevokeCredential", { credentialId: credential(n) })) },
  {
    weight: 3,
    arbitrary: fc
      .record(
        { config: fc.dictionary(text, fc.integer(), { maxKeys: 2 }), expectedVersion: version },
        { requiredKeys: ["config"] },
      )
      .map((data) => command("SetConfiguration", data)),
  },
  {
    weight: 3,
    arbitrary: fc
      .record(
        { version, status: fc.constantFrom("applied" as const, "failed" as const), error: text },
        { requiredKeys: ["version", "status"] },
      )
      .map((data) => command("ReportConfiguration", data)),
  },
  fc
    .dictionary(
      fc.oneof(fc.constantFrom("temperature", "flow.raw", "constructor", "__proto__"), text),
      fc.record({ offset: fc.double(), scale: fc.double() }, { requiredKeys: [] }),
      { maxKeys: 3 },
    )
    .map((calibration) => command("SetCalibration", { calibration })),
  fc.constantFrom(gateway, otherGateway, press.deviceId).map((gatewayId) => command("AssignGateway", { gatewayId })),
  fc.constant(command("RemoveGateway", {})),
  text.map((firmwareVersion) => command("ReportFirmware", { firmwareVersion })),
  fc.constantFrom(
    command("ReportOnline", { since: NOW }),
    command("ReportOffline", { since: NOW, reason: "silent" as const }),
  ),
);
/** Begins with a good registration, or most sequences would speak of no device at all. */
const life = fc.array(anyCommand, { maxLength: 60 }).map((commands) => [command("RegisterDevice", press), ...commands]);

interface Step {
  readonly command: DeviceCommand;
  readonly before: DeviceState;
  readonly events: readonly DeviceEvent[];
  readonly after: DeviceState;
}

/** Gives the commands one after the other; a refused one changes nothing. Anything thrown but a DomainError fails the test. */
function live(commands: readonly DeviceCommand[]): readonly Step[] {
  let before = deviceDecider.initialState;
  return commands.map((wish) => {
    const events = decideOrRefuse(wish, before);
    const step = { command: wish, before, events, after: after(before, events) };
    before = step.after;
    return step;
  });
}

function after(state: DeviceState, events: readonly DeviceEvent[]): DeviceState {
  return events.reduce((current, event) => deviceDecider.evolve(current, event), state);
}

function decideOrRefuse(wish: DeviceCommand, state: DeviceState): readonly DeviceEvent[] {
  try {
    return deviceDecider.decide(wish, state);
  } catch (error) {
    if (error instanceof DomainError) return [];
    throw error;
  }
}

/** Freezes all the way down: who writes into it fails. */
function frozen<T>(value: T): T {
  if (typeof value === "object" && value !== null) Object.values(Object.freeze(value)).forEach(frozen);
  return value;
}

function holdsFor(check: (step: Step, steps: readonly Step[]) => void): void {
  fc.assert(
    fc.property(life, (commands) => {
      const steps = live(commands);
      for (const step of steps) check(step, steps);
    }),
    { numRuns: 200 },
  );
}

describe("in any life of a device", () => {
  it("a command makes at most one event, and only a DomainError refuses it", () => {
    holdsFor(({ events }) => expect(events.length).toBeLessThanOrEqual(1));
  });

  it("neither command, state nor event is ever written into", () => {
    fc.assert(
      fc.property(life, (commands) => {
        let state = frozen(deviceDecider.initialState);
        for (const wish of commands) {
          for (const happened of frozen(decideOrRefuse(frozen(wish), state)))
            state = frozen(deviceDecider.evolve(state, happened));
        }
      }),
      { numRuns: 100 },
    );
  });

  it("the state that its events give back, after a journey through JSON, is the state that it was in", () => {
    fc.assert(
      fc.property(life, (commands) => {
        const steps = live(commands);
        const stored = JSON.parse(JSON.stringify(steps.flatMap(({ events }) => events))) as readonly DeviceEvent[];
        expect(JSON.stringify(fold(deviceDecider, stored))).toBe(JSON.stringify(steps.at(-1)?.after));
      }),
      { numRuns: 200 },
    );
  });

  it("configuration versions grow by one", () => {
    fc.assert(
      fc.property(life, (commands) => {
        const versions = live(commands)
          .flatMap(({ events }) => events)
          .flatMap((happened) => (happened.type === "ConfigurationChanged" ? [happened.data.version] : []));
        expect(versions).toEqual(versions.map((_, n) => n + 1));
      }),
      { numRuns: 200 },
    );
  });

  it("no device is its own gateway, and every calibration keeps values apart", () => {
    holdsFor(({ after }) => {
      if (after.status === "UNREGISTERED") return;
      expect(after.gatewayId).not.toBe(after.deviceId);
      for (const { offset = 0, scale = 1 } of Object.values(after.calibration)) {
        expect(Number.isFinite(offset) && Number.isFinite(scale) && scale !== 0).toBe(true);
      }
    });
  });

  it("no device has reported a configuration that it was never sent", () => {
    holdsFor(({ after }) => {
      if (after.status === "UNREGISTERED") return;
      const { version: newest, reported } = after.configuration;
      expect(reported?.version ?? 0).toBeLessThanOrEqual(newest);
    });
  });

  it(`no device has more than ${MAX_CREDENTIALS} keys that open, none twice, and none that was revoked`, () => {
    holdsFor(({ after }) => {
      if (after.status === "UNREGISTERED") return;
      const ids = after.credentials.map(({ credentialId }) => credentialId);
      expect(ids.length).toBeLessThanOrEqual(MAX_CREDENTIALS);
      expect(new Set([...ids, ...after.revoked]).size).toBe(ids.length + after.revoked.length);
    });
  });

  it("the end is the end: only a key can still be taken away, and presence end", () => {
    holdsFor(({ before, events }) => {
      if (before.status !== "DECOMMISSIONED") return;
      for (const { type } of events) expect(["CredentialRevoked", "DeviceWentOffline"]).toContain(type);
    });
  });

  it("a command that was just given is so already, or refused; a new configuration alone is sent anew", () => {
    holdsFor(({ command: wish, after }) => {
      if (wish.type === "SetConfiguration") return;
      expect(decideOrRefuse(wish, after)).toEqual([]);
    });
  });
});
