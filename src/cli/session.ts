import { userInfo } from "node:os";
import { decodeJwt } from "jose";
import { PLATFORM } from "../commands/index.js";
import type { UserRole } from "../commands/index.js";
import { existingTokenSecret } from "../data-dir.js";
import { FleetlogError } from "../platform/errors.js";
import { issueToken } from "../rest/tokens.js";
import { UsageError } from "./problem.js";
import type { Settings } from "./settings.js";

/** What a command needs a token for: the tenant's data, or the running of the platform itself. */
export type Scope = "tenant" | "platform";

/** Long enough for any one command; a longer `--follow` signs anew when it connects anew. */
const OWN_TOKEN_SECONDS = 3_600;

/**
 * The token that speaks for this command: the one given, else one that we sign ourselves where the platform's own
 * secret is at hand. `tenant` as the command names it, where it does. Throws UsageError when there is neither.
 */
export async function tokenFor(settings: Settings, scope: Scope, tenant = settings.tenant): Promise<string> {
  if (settings.token !== undefined) {
    refuseForeign(settings.token, tenant);
    return settings.token;
  }
  const secret = secretOf(settings);
  if (secret === undefined) {
    throw new UsageError(
      `there is no token: give --token or FLEETLOG_TOKEN, or run this where the platform keeps its data (--data-dir; ${settings.dataDir} has no token-secret)`,
    );
  }
  const whose = scope === "platform" ? PLATFORM : tenant;
  if (whose === undefined) throw new UsageError("which tenant? Give --tenant or FLEETLOG_TENANT");
  return issueToken(secret, { subject: defaultSubject(), tenant: whose, role: "ADMIN" }, OWN_TOKEN_SECONDS);
}

/** Signs a token for somebody else. */
export async function signToken(
  settings: Settings,
  claims: { readonly subject?: string; readonly tenant: string; readonly role: UserRole },
  ttlSeconds: number,
): Promise<string> {
  const secret = secretOf(settings);
  if (secret === undefined) {
    throw new UsageError(
      `tokens are signed with the platform's secret, and ${settings.dataDir} has none: give --data-dir or FLEETLOG_TOKEN_SECRET`,
    );
  }
  return issueToken(secret, { ...claims, subject: claims.subject ?? defaultSubject() }, ttlSeconds);
}

function secretOf({ tokenSecret, dataDir }: Settings): string | undefined {
  return tokenSecret ?? existingTokenSecret(dataDir);
}

/** A command that names a tenant must not act in another because of a token left over in the environment. */
function refuseForeign(token: string, tenant: string | undefined): void {
  if (tenant === undefined) return;
  let claimed: unknown;
  try {
    claimed = decodeJwt(token)["tenant"];
  } catch {
    return; // No token at all: the platform says so, in its own words.
  }
  if (typeof claimed === "string" && claimed !== tenant && claimed !== PLATFORM) {
    throw new FleetlogError("FORBIDDEN", `the token is for tenant ${claimed}, not ${tenant}`);
  }
}

function defaultSubject(): string {
  try {
    return userInfo().username;
  } catch {
    return "cli"; // A user id without a name, as containers have.
  }
}
