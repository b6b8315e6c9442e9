import { availableParallelism } from "node:os";
import { z } from "zod";

/** The parts of the program. On one machine a supervisor runs them in a few processes; on many, each is a deployment. */
export const roles = ["engines", "gateway", "writer", "processor", "projector", "workflows", "api"] as const;
export type Role = (typeof roles)[number];

const whole = (min: number, max: number) => {
  const error = `must be a whole number from ${min} to ${max}`;
  return z.coerce.number({ error }).int({ error }).min(min, { error }).max(max, { error });
};
const port = (fallback: number) => whole(0, 65_535).default(fallback);
const urlOf = (protocols: readonly string[]) =>
  z.string().refine((value) => protocols.some((protocol) => value.startsWith(`${protocol}://`)), {
    error: `must be a URL that begins with ${protocols.map((protocol) => `${protocol}://`).join(" or ")}`,
  });

/** One host, one place for the user: what this accepts, the bridge can connect to. */
const brokerUrl = urlOf(["mqtt", "mqtts", "ws", "wss"]).refine(isAddress, {
  error:
    "must be a URL with a host, such as mqtt://user:password@broker:1883, special characters of both written as %40",
});

/** 0: no limit. */
const rate = (fallback = 0) => whole(0, 1_000_000_000).default(fallback);

/** Every variable that the program reads. docs/reference/configuration.md is held to this list by a test. */
export const configSchema = z.object({
  EVENTSTORE_URL: urlOf(["esdb", "esdb+discover"]).optional(),
  MONGODB_URL: urlOf(["mongodb", "mongodb+srv"]).optional(),
  MONGODB_DATABASE: z.string().min(1).default("fleetlog"),
  NATS_URL: urlOf(["nats", "tls"]).optional(),
  INFLUX_URL: urlOf(["http", "https"]).optional(),
  INFLUX_TOKEN: z.string().optional(),
  INFLUX_ORG: z.string().default("fleetlog"),
  INFLUX_BUCKET: z.string().min(1).default("fleetlog"),
  MQTT_BROKER_URL: brokerUrl.optional(),
  /** A file that says whose the outside broker's topics are. */
  FLEETLOG_BRIDGE_MAPPING: z.string().min(1).optional(),
  FLEETLOG_BRIDGE_CLIENTS: whole(1, 64).default(1),
  FLEETLOG_DATA_DIR: z.string().min(1).default("./data"),
  FLEETLOG_HOST: z.string().min(1).default("0.0.0.0"),
  FLEETLOG_HTTP_PORT: port(8080),
  FLEETLOG_HTTPS_PORT: port(8443),
  FLEETLOG_MQTT_PORT: port(1883),
  FLEETLOG_MQTTS_PORT: port(8883),
  FLEETLOG_COAP_PORT: port(5683),
  FLEETLOG_COAPS_PORT: port(5684),
  /** PEM files. Unset: our own authority and certificate, made in the data directory (src/tls). */
  FLEETLOG_TLS_CERT: z.string().min(1).optional(),
  FLEETLOG_TLS_KEY: z.string().min(1).optional(),
  /** Where the embedded and local engines listen, on the loopback interface only; moved when taken. */
  FLEETLOG_EVENTSTORE_PORT: port(2113),
  FLEETLOG_DOCUMENTS_PORT: port(27_017),
  FLEETLOG_NATS_PORT: port(4222),
  FLEETLOG_INFLUX_PORT: port(8086),
  FLEETLOG_ROLES: z
    .string()
    .default(roles.join(","))
    .transform((list) => list.split(",").map((role) => role.trim()))
    .pipe(z.array(z.enum(roles, { error: `must be a list of ${roles.join(", ")}` })).min(1)),
  /** Who this deployment is to leases. Unset: kept in the data directory. */
  FLEETLOG_NODE_ID: z.string().min(1).max(128).optional(),
  /** The name of this process in logs and reports; the supervisor sets it for its children. */
  FLEETLOG_PROCESS: z.string().min(1).max(64).default("fleetlog"),
  FLEETLOG_LOG_LEVEL: z.enum(["fatal", "error", "warn", "info", "debug", "trace"]).default("info"),
  FLEETLOG_TOKEN_SECRET: z.string().min(32, { error: "must have at least 32 characters" }).optional(),
  FLEETLOG_MAX_PAYLOAD_BYTES: whole(1_024, 8_388_608).default(262_144),
  FLEETLOG_MAX_CONNECTIONS: whole(1, 10_000_000).default(50_000),
  /** The longest that an MQTT session is kept without a connection; at most 30 days, after which the stream forgets. */
  FLEETLOG_MAX_SESSION_EXPIRY_SECONDS: whole(0, 2_592_000).default(604_800),
  /** Limits of each device, of each tenant that has none of its own, and of the platform; a burst of 0 is ten seconds' worth. */
  FLEETLOG_DEVICE_MESSAGES_PER_SECOND: rate(2_000),
  FLEETLOG_DEVICE_MESSAGES_BURST: rate(20_000),
  FLEETLOG_DEVICE_BYTES_PER_SECOND: rate(),
  FLEETLOG_DEVICE_BYTES_BURST: rate(),
  FLEETLOG_DEVICE_CONNECTIONS: rate(100),
  FLEETLOG_TENANT_MESSAGES_PER_SECOND: rate(),
  FLEETLOG_TENANT_MESSAGES_BURST: rate(),
  FLEETLOG_TENANT_BYTES_PER_SECOND: rate(),
  FLEETLOG_TENANT_BYTES_BURST: rate(),
  FLEETLOG_TENANT_CONNECTIONS: rate(),
  FLEETLOG_PLATFORM_MESSAGES_PER_SECOND: rate(),
  FLEETLOG_PLATFORM_MESSAGES_BURST: rate(),
  FLEETLOG_PLATFORM_BYTES_PER_SECOND: rate(),
  FLEETLOG_PLATFORM_BYTES_BURST: rate(),
  FLEETLOG_PLATFORM_CONNECTIONS: rate(),
  /** Seconds that a device may be away before it is said to be offline. */
  FLEETLOG_OFFLINE_GRACE_SECONDS: z.coerce
    .number({ error: "must be a number" })
    .min(0, { error: "must not be negative" })
    .default(30),
  /** Refused messages kept of each tenant; its oldest go when there are more. */
  FLEETLOG_REJECTIONS_PER_TENANT: whole(100, 10_000_000).default(10_000),
  /** Days that a reading's timestamp may lie in the past. */
  FLEETLOG_MAX_READING_AGE_DAYS: z.coerce
    .number({ error: "must be a number" })
    .positive({ error: "must be above 0" })
    .default(366),
});

/** What `npx fleetlog` reads (src/cli/settings.ts): in one shell with the platform they are no spelling mistakes of ours. */
const commandLine = ["FLEETLOG_URL", "FLEETLOG_TOKEN", "FLEETLOG_TENANT"] as const;

/** What Kubernetes puts into every container when a Service is called fleetlog: nobody misspelt it. */
const SERVICE_LINK =
  /^FLEETLOG_(?:.*_)?(?:SERVICE_HOST|SERVICE_PORT(?:_.*)?|PORT_\d+_(?:TCP|UDP)(?:_.*)?)$|^FLEETLOG_PORT$/;

export type Config = Readonly<z.infer<typeof configSchema>> & {
  readonly cores: number;
  /** Sentences that the log should say once at start. */
  readonly warnings: readonly string[];
};

/** Names every wrong key at once: the program ends with exit code 2 on it. */
export class ConfigError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(
      `the configuration has ${problems.length === 1 ? "a mistake" : `${problems.length} mistakes`}:\n${problems.map((problem) => `  ${problem}`).join("\n")}`,
    );
    this.name = "ConfigError";
    this.problems = problems;
  }
}

/**
 * Reads the configuration from the environment, once. An empty or blank variable counts as unset.
 * Throws a ConfigError with a line per wrong key, misspelt FLEETLOG_ keys among them.
 */
export function readConfig(environment: Readonly<Record<string, string | undefined>>): Config {
  const given = Object.fromEntries(
    Object.entries(environment).filter(([, value]) => value !== undefined && value.trim() !== ""),
  );
  const known = new Set<string>([...Object.keys(configSchema.shape), ...commandLine]);
  const problems = Object.keys(given)
    .filter((key) => key.startsWith("FLEETLOG_") && !known.has(key) && !SERVICE_LINK.test(key))
    .map((key) => `${key} is not a setting of Fleetlog: see docs/reference/configuration.md`);
  const parsed = configSchema.safeParse(given);
  if (!parsed.success) {
    problems.push(
      ...parsed.error.issues.map((issue) => {
        const key = String(issue.path[0]);
        return `${key}: ${issue.message}${shown(key, given[key])}`;
      }),
    );
  }
  if (parsed.success) {
    const { FLEETLOG_TLS_CERT: cert, FLEETLOG_TLS_KEY: key } = parsed.data;
    if (cert === undefined && key !== undefined) problems.push("FLEETLOG_TLS_KEY is set, but FLEETLOG_TLS_CERT is not");
    if (cert !== undefined && key === undefined) problems.push("FLEETLOG_TLS_CERT is set, but FLEETLOG_TLS_KEY is not");
  }
  if (!parsed.success || problems.length > 0) throw new ConfigError(problems);
  return { ...parsed.data, cores: availableParallelism(), warnings: warningsOf(parsed.data) };
}

function warningsOf({ MQTT_BROKER_URL, FLEETLOG_BRIDGE_MAPPING }: z.infer<typeof configSchema>): readonly string[] {
  if (FLEETLOG_BRIDGE_MAPPING === undefined || MQTT_BROKER_URL !== undefined) return [];
  return ["FLEETLOG_BRIDGE_MAPPING is set, but MQTT_BROKER_URL is not: there is no bridge"];
}

function isAddress(text: string): boolean {
  try {
    const { hostname, username, password } = new URL(text);
    decodeURIComponent(username);
    decodeURIComponent(password);
    return hostname !== "";
  } catch {
    return false;
  }
}

/** The wrong value, for the one who looks for the mistake. A URL may hold a password before its "@": logs keep neither. */
function shown(key: string, value: unknown): string {
  if (key.endsWith("TOKEN") || key.endsWith("SECRET")) return "";
  const said = typeof value === "string" && key.endsWith("URL") ? value.replace(/^.*@/su, "…@") : value;
  return ` (it is ${JSON.stringify(said)})`;
}
