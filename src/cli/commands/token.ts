import type { Command } from "commander";
import { InvalidArgumentError, Option } from "commander";
import { PLATFORM, userRoles } from "../../commands/index.js";
import type { UserRole } from "../../commands/index.js";
import { seconds } from "../arguments.js";
import type { Begin } from "../cli.js";
import { UsageError } from "../problem.js";
import { signToken } from "../session.js";

interface IssueOptions {
  readonly role: UserRole;
  readonly ttl: number;
  readonly subject?: string;
  readonly platform?: true;
}

export function addTokenCommands(program: Command, begin: Begin): void {
  const token = program.command("token").description("who may talk to the platform");
  token
    .command("issue")
    .description("sign a token with the platform's secret, and print it alone")
    .option("--role <role>", "what it may do: ADMIN, OPERATOR, VIEWER or AUDITOR", userRole, "ADMIN")
    .addOption(
      new Option("--ttl <duration>", "how long it holds: 15m, 8h, 30d").argParser(seconds).default(8 * 3_600, "8h"),
    )
    .option("--subject <name>", "the name that stands in the history (default: yours on this machine)")
    .option("--platform", "for running the platform itself, in place of a tenant")
    .action(async (options: IssueOptions, command: Command) => {
      const { settings, out } = begin(command);
      const tenant = options.platform === true ? PLATFORM : settings.tenant;
      if (tenant === undefined)
        throw new UsageError("for which tenant? Give --tenant or FLEETLOG_TENANT, or --platform");
      const { role, ttl, subject } = options;
      const claims = { tenant, role, ...(subject === undefined ? {} : { subject }) };
      const signed = await signToken(settings, claims, ttl);
      const expiresAt = new Date(Date.now() + ttl * 1_000).toISOString();
      out.show({ token: signed, tenant, role, expiresAt }, () => out.line(signed));
    });
}

function userRole(text: string): UserRole {
  const role = userRoles.find((known) => known === text.toUpperCase());
  if (role === undefined) throw new InvalidArgumentError(`It is one of ${userRoles.join(", ")}.`);
  return role;
}
