import { SignJWT, UnsecuredJWT } from "jose";
import { describe, expect, it } from "vitest";
import type { TokenClaims } from "../../src/rest/index.js";
import { bearerToken, issueToken, verifyToken } from "../../src/rest/index.js";

const SECRET = "0123456789abcdef0123456789abcdef";
const claims: TokenClaims = { subject: "ann@example.org", tenant: "acme", role: "OPERATOR" };
const refused = { code: "UNAUTHENTICATED" };

const sign = (payload: Record<string, unknown>, alg = "HS256", secret = SECRET) =>
  new SignJWT(payload).setProtectedHeader({ alg }).setExpirationTime("1h").sign(new TextEncoder().encode(secret));

describe("a token", () => {
  it("says who its bearer is, and until when", async () => {
    const { actor, expiresAt } = await verifyToken(SECRET, await issueToken(SECRET, claims, 60));
    expect(actor).toEqual({ kind: "user", subject: "ann@example.org", tenantId: "acme", role: "OPERATOR" });
    expect(expiresAt).toBeGreaterThan(Date.now());
    const platform = await verifyToken(SECRET, await issueToken(SECRET, { ...claims, tenant: "*" }, 60));
    expect(platform.actor.tenantId).toBe("*");
  });

  it("of another secret, another algorithm, or none, is refused", async () => {
    const good = { sub: "x", tenant: "acme", role: "ADMIN" };
    await expect(verifyToken(SECRET, await sign(good, "HS256", `${SECRET}x`))).rejects.toMatchObject(refused);
    await expect(verifyToken(SECRET, await sign(good, "HS512"))).rejects.toMatchObject(refused);
    await expect(verifyToken(SECRET, new UnsecuredJWT(good).setExpirationTime("1h").encode())).rejects.toMatchObject(
      refused,
    );
    await expect(verifyToken(SECRET, "")).rejects.toMatchObject(refused);
  });

  it.each([
    ["no role", { sub: "x", tenant: "acme" }],
    ["a role that is none", { sub: "x", tenant: "acme", role: "ROOT" }],
    ["a tenant that is no id", { sub: "x", tenant: "a.b", role: "ADMIN" }],
    ["no subject", { tenant: "acme", role: "ADMIN" }],
    ["a subject that would break a log line", { sub: "x\ny", tenant: "acme", role: "ADMIN" }],
  ])("with %s is refused, though well signed", async (_what, payload) => {
    await expect(verifyToken(SECRET, await sign(payload))).rejects.toMatchObject(refused);
  });

  it("without an end is refused", async () => {
    const endless = await new SignJWT({ sub: "x", tenant: "acme", role: "ADMIN" })
      .setProtectedHeader({ alg: "HS256" })
      .sign(new TextEncoder().encode(SECRET));
    await expect(verifyToken(SECRET, endless)).rejects.toMatchObject(refused);
  });

  it("is not issued for claims that it could not carry, nor for ever", async () => {
    await expect(issueToken(SECRET, { ...claims, subject: "" }, 60)).rejects.toMatchObject({ code: "BAD_REQUEST" });
    await expect(issueToken(SECRET, { ...claims, tenant: "a b" }, 60)).rejects.toMatchObject({ code: "INVALID_VALUE" });
    for (const ttl of [0, -1, Number.NaN, Infinity]) {
      await expect(issueToken(SECRET, claims, ttl)).rejects.toMatchObject({ code: "BAD_REQUEST" });
    }
  });
});

it("is read out of the Authorization header, and out of no other scheme", () => {
  expect(bearerToken("Bearer abc.def")).toBe("abc.def");
  expect(bearerToken("bearer  abc ")).toBe("abc");
  for (const header of [undefined, "", "Basic abc", "Bearer", "Bearer a b"])
    expect(bearerToken(header)).toBeUndefined();
});
