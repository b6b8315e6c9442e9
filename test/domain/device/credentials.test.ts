import { describe, it } from "vitest";
import { deviceDecider, MAX_CREDENTIALS } from "../../../src/domain/device/index.js";
import type { DeviceEvent } from "../../../src/domain/device/index.js";
import { specify } from "../../support/decider-specification.js";
import { EARLIER, LATER, NOW } from "../clock.js";
import { command, credential, event, key, registered } from "./press.js";

const { given } = specify(deviceDecider);
const issued = (n: number, expiresAt?: string): DeviceEvent => event("CredentialIssued", key(n, expiresAt));
const revoked = (n: number): DeviceEvent => event("CredentialRevoked", { credentialId: credential(n) });
const full = Array.from({ length: MAX_CREDENTIALS }, (_, n) => issued(n));

describe("a key", () => {
  it("is issued with all that was said of it", () => {
    const data = { ...key(1, LATER), label: "line 4" };
    given(registered()).when(command("IssueCredential", data)).then(event("CredentialIssued", data));
  });

  it("may stand beside others, so that they overlap in a rotation", () =>
    given(registered(), issued(1))
      .when(command("IssueCredential", key(2)))
      .then(issued(2)));

  it("is issued once", () =>
    given(registered(), issued(1))
      .when(command("IssueCredential", key(1)))
      .thenNothing());

  it.each([NOW, EARLIER, "tomorrow", ""])("cannot end at %j, which is not a time to come", (expiresAt) =>
    given(registered())
      .when(command("IssueCredential", key(1, expiresAt)))
      .thenRefused("INVALID_VALUE", /expiresAt/u),
  );
});

describe("what is said of a key", () => {
  it("has an end: the history keeps it for ever", () => {
    given(registered())
      .when(command("IssueCredential", { ...key(1), label: "x".repeat(256) }))
      .thenRefused("INVALID_VALUE", /label has at most 255/u);
    given(registered(), issued(1))
      .when(command("RevokeCredential", { credentialId: credential(1), reason: "x".repeat(1_025) }))
      .thenRefused("INVALID_VALUE", /reason has at most 1024/u);
  });
});

describe("the keys of one device", () => {
  it(`are at most ${MAX_CREDENTIALS}`, () => {
    given(registered(), ...full.slice(1))
      .when(command("IssueCredential", key(99)))
      .then(issued(99));
    given(registered(), ...full)
      .when(command("IssueCredential", key(99)))
      .thenRefused("LIMIT_EXCEEDED", /revoke one first/u);
  });

  it("have room again once one is revoked, or has expired", () => {
    given(registered(), ...full, revoked(3))
      .when(command("IssueCredential", key(99)))
      .then(issued(99));
    given(registered(), ...full.slice(1), issued(50, EARLIER))
      .when(command("IssueCredential", key(99)))
      .then(issued(99));
  });
});

describe("revoking a key", () => {
  it("ends it", () => {
    const data = { credentialId: credential(1), reason: "lost" };
    given(registered(), issued(1)).when(command("RevokeCredential", data)).then(event("CredentialRevoked", data));
  });

  it("twice is revoking it once", () =>
    given(registered(), issued(1), revoked(1))
      .when(command("RevokeCredential", { credentialId: credential(1) }))
      .thenNothing());

  it("is for ever: the same one does not come back", () =>
    given(registered(), issued(1), revoked(1))
      .when(command("IssueCredential", key(1)))
      .thenRefused("ILLEGAL_TRANSITION", /was revoked: issue a new one/u));

  it("needs one that exists", () =>
    given(registered(), issued(1))
      .when(command("RevokeCredential", { credentialId: credential(2) }))
      .thenRefused("NOT_FOUND"));

  it("still works on a decommissioned device", () =>
    given(registered(), issued(1), event("DeviceDecommissioned", {}))
      .when(command("RevokeCredential", { credentialId: credential(1) }))
      .then(revoked(1)));
});
