import { SignJWT, errors, jwtVerify } from "jose";
import { PLATFORM, userRoles } from "../commands/index.js";
import type { Actor, UserRole } from "../commands/index.js";
import { tenantId } from "../domain/ids.js";
import { BoundedMap } from "../platform/bounded-map.js";
import { FleetlogError } from "../platform/errors.js";

/** Who a token speaks for. `tenant` is a tenant's id, or "*" for the people who run the platform. */
export interface TokenClaims {
  /** Stands in the history as `user:{subject}`: 1 to 128 printable characters. */
  readonly subject: string;
  readonly tenant: string;
  readonly role: UserRole;
}

/** What a good token gives. `expiresAt` is in milliseconds since the epoch. */
export interface Session {
  readonly actor: Extract<Actor, { readonly kind: "user" }>;
  readonly expiresAt: number;
}

const ALGORITHM = "HS256";
/** A year: nobody should keep a token longer without asking for a new one. */
const MAX_TTL_SECONDS = 366 * 24 * 3600;
const SUBJECT = /^[\p{L}\p{N}\p{P}\p{S} ]{1,128}$/u;

/** A JWT signed with HMAC-SHA256. `ttlSeconds` from now until it ends. Throws BAD_REQUEST or INVALID_VALUE for claims that no token may carry. */
export async function issueToken(secret: string, claims: TokenClaims, ttlSeconds: number): Promise<string> {
  const { subject, tenant, role } = checked(claims);
  if (!(ttlSeconds > 0 && ttlSeconds <= MAX_TTL_SECONDS)) {
    throw new FleetlogError("BAD_REQUEST", `a token lives more than 0 and at most ${MAX_TTL_SECONDS} seconds`);
  }
  const now = Math.floor(Date.now() / 1000);
  return new SignJWT({ tenant, role })
    .setProtectedHeader({ alg: ALGORITHM, typ: "JWT" })
    .setSubject(subject)
    .setIssuedAt(now)
    .setExpirationTime(now + Math.ceil(ttlSeconds))
    .sign(keyOf(secret));
}

/** Throws UNAUTHENTICATED with the reason for a token that is expired, forged, or no token at all. */
export async function verifyToken(secret: string, token: string): Promise<Session> {
  try {
    const { payload } = await jwtVerify(token, keyOf(secret), {
      algorithms: [ALGORITHM],
      requiredClaims: ["sub", "exp", "tenant", "role"],
    });
    const { subject, tenant, role } = checked({
      subject: String(payload.sub),
      tenant: String(payload["tenant"]),
      role: payload["role"] as UserRole,
    });
    return {
      actor: { kind: "user", subject, tenantId: tenant === PLATFORM ? PLATFORM : tenantId(tenant), role },
      expiresAt: Number(payload.exp) * 1000,
    };
  } catch (error) {
    if (error instanceof errors.JWTExpired) {
      throw new FleetlogError("UNAUTHENTICATED", "the token has expired: get a new one", {}, { cause: error });
    }
    throw new FleetlogError(
      "UNAUTHENTICATED",
      "the token is not one that this platform signed: send `Authorization: Bearer TOKEN`",
      {},
      { cause: error },
    );
  }
}

/** Verified tokens kept; the least recently used is verified anew when it comes again. */
const REMEMBERED_TOKENS = 10_000;

/** `verifyToken` for every request: a token that was good is good until it ends, and its signature is checked once. */
export function createTokenVerifier(secret: string): (token: string) => Promise<Session> {
  const verified = new BoundedMap<string, Session>(REMEMBERED_TOKENS);
  return async (token) => {
    const known = verified.get(token);
    if (known !== undefined && known.expiresAt > Date.now()) return known;
    const session = await verifyToken(secret, token);
    verified.set(token, session);
    return session;
  };
}

/** The token of an `Authorization: Bearer …` header; undefined where there is none, or it is of another scheme. */
export function bearerToken(header: string | undefined): string | undefined {
  return /^Bearer +(\S+) *$/i.exec(header ?? "")?.[1];
}

function checked(claims: TokenClaims): TokenClaims {
  if (!SUBJECT.test(claims.subject)) {
    throw new FleetlogError("BAD_REQUEST", "a token's subject has 1 to 128 printable characters");
  }
  if (!userRoles.includes(claims.role)) {
    throw new FleetlogError("BAD_REQUEST", `a token's role is one of ${userRoles.join(", ")}`);
  }
  if (claims.tenant !== PLATFORM) tenantId(claims.tenant);
  return claims;
}

function keyOf(secret: string): Uint8Array {
  return new TextEncoder().encode(secret);
}
