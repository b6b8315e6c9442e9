import { z } from "zod";
import { readAddresses } from "../data-dir.js";
import { UsageError } from "./problem.js";

const PORT = "is a port from 1 to 65535: give the platform's address with --url";

/** The variables that the command line reads beside its options; the first four are its own, the others the platform's. */
const variables = z.object({
  FLEETLOG_URL: z.url({ protocol: /^https?$/, error: "is an address such as http://127.0.0.1:8080" }).optional(),
  FLEETLOG_TOKEN: z.string().optional(),
  FLEETLOG_TENANT: z.string().optional(),
  FLEETLOG_DATA_DIR: z.string().default("./data"),
  FLEETLOG_HTTP_PORT: z.coerce
    .number({ error: PORT })
    .int({ error: PORT })
    .min(1, { error: PORT })
    .max(65_535, { error: PORT })
    .default(8080),
  FLEETLOG_TOKEN_SECRET: z.string().optional(),
});

/** The options that every command takes. */
export interface GlobalOptions {
  readonly url?: string;
  readonly token?: string;
  readonly tenant?: string;
  readonly dataDir?: string;
  readonly json?: boolean;
}

export interface Settings {
  /** Without a slash at its end. */
  readonly url: string;
  readonly token: string | undefined;
  readonly tenant: string | undefined;
  /** Where the platform of this machine keeps the secret that signs tokens. */
  readonly dataDir: string;
  readonly tokenSecret: string | undefined;
}

/** Options win over variables, and both over what a running platform of the data directory has left there. Throws UsageError that names every wrong one. */
export function readSettings(
  options: GlobalOptions,
  environment: Readonly<Record<string, string | undefined>>,
): Settings {
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => (value ?? "").trim() !== ""));
  const parsed = variables.safeParse({
    ...given,
    ...(options.url === undefined ? {} : { FLEETLOG_URL: options.url }),
  });
  if (!parsed.success) {
    const problems = parsed.error.issues.map(({ path, message }) => `${named(String(path[0]), options)} ${message}`);
    throw new UsageError(problems.join("; "));
  }
  const settings = parsed.data;
  const dataDir = options.dataDir ?? settings.FLEETLOG_DATA_DIR;
  const url =
    settings.FLEETLOG_URL ?? readAddresses(dataDir)?.httpUrl ?? `http://127.0.0.1:${settings.FLEETLOG_HTTP_PORT}`;
  return {
    url: url.replace(/\/+$/, ""),
    token: options.token ?? settings.FLEETLOG_TOKEN,
    tenant: options.tenant ?? settings.FLEETLOG_TENANT,
    dataDir,
    tokenSecret: settings.FLEETLOG_TOKEN_SECRET,
  };
}

function named(variable: string, options: GlobalOptions): string {
  return variable === "FLEETLOG_URL" && options.url !== undefined ? "--url" : variable;
}
