import type { UserRole } from "../../src/commands/index.js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { tenantId } from "../../src/domain/ids.js";
import { waitFor } from "../support/wait-for.js";
import type { Api } from "./api.js";
import { follow, startApi } from "./api.js";
import { rootFields } from "./every-field.js";
import { raiseAlert } from "./raise-alert.js";

let api: Api;
let tenant: string;
let admin: string;
/** What stands in `tenant`, by the names of the arguments that ask for it. */
let ids: Record<string, string>;

const fields = rootFields();
const overHttp = fields.filter(({ operation }) => operation !== "subscription");
const live = fields.filter(({ operation }) => operation === "subscription");

const FORBIDDEN_TO_PLATFORM = new Set(["createTenant", "setTenantLimits", "rebuildProjection", "rebuilds", "me"]);

beforeAll(async () => {
  api = await startApi();
  tenant = await api.river.createTenant();
  admin = await api.token(tenant);
  await api.river.registerDevice(tenantId(tenant), "press-1");
  await api.must(
    admin,
    `mutation { defineDeviceType(input: { deviceType: "press", metrics: [{ name: "t" }] }) { shown } }`,
  );
  const rule = await api.must(
    admin,
    `mutation { createAlertRule(input: { name: "r", severity: LOW, condition: { metric: "t", operator: GT, threshold: 1 } }) { alertRule { ruleId } } }`,
  );
  const { ruleId } = rule.createAlertRule.alertRule;
  const credential = await api.must(
    admin,
    `mutation { issueCredential(input: { deviceId: "press-1" }) { credential { credentialId } } }`,
  );
  const { credentialId } = credential.issueCredential.credential;
  const alertId = await raiseAlert(api, tenant, { ruleId, deviceId: "press-1" });
  ids = { deviceId: "press-1", deviceType: "press", ruleId, alertId, credentialId };
});
afterAll(() => api.stop());

/** `id` means another thing in each query. */
function idsFor(name: string): Record<string, string> {
  const id = { alert: ids["alertId"], alertRule: ids["ruleId"], device: ids["deviceId"] }[name];
  return id === undefined ? ids : { ...ids, id };
}

/** Everything of the tenant, as its administrator sees it. */
async function everything(): Promise<unknown> {
  return api.must(
    admin,
    `{ devices { edges { node { deviceId revision } } } alerts { edges { node { alertId revision } } }
       alertRules { edges { node { ruleId revision } } } deviceTypes { edges { node { deviceType revision } } } }`,
  );
}

const refusedWhole = { status: 401, codes: ["UNAUTHENTICATED"], data: undefined };

async function closedWith(token: string | undefined, text: string): Promise<unknown> {
  const followed = follow(api.socket(token), text);
  return waitFor(() => followed.failure ?? false, { what: "the socket to be closed" });
}

const rebuild = (name: string) => `mutation { rebuildProjection(name: "${name}") { rebuild { projection state } } }`;

async function allowed(role: UserRole, text: string): Promise<boolean> {
  return !(await api.ask(await api.token(tenant, role), text)).codes.includes("FORBIDDEN");
}

describe("nobody asks anything without a token", () => {
  it.each(overHttp)("$operation $name, anonymously", async ({ text }) => {
    expect(await api.ask(undefined, text())).toMatchObject(refusedWhole);
  });

  it.each(live)("subscription $name, anonymously", async ({ text }) => {
    expect(await closedWith(undefined, text())).toMatchObject({ code: 4403 });
  });

  it("nor with one that has expired, or is none of ours, or is of another scheme", async () => {
    const expired = await api.token(tenant, "ADMIN", 0.001);
    await waitFor(async () => (await api.ask(expired, "{ me { role } }")).status === 401);
    expect(await api.ask(expired, "{ me { role } }")).toMatchObject(refusedWhole);
    expect((await api.ask(expired, "{ me { role } }")).errors[0]?.message).toContain("expired");
    const [head, body] = admin.split(".");
    expect(await api.ask(`${head}.${body}.AAAA`, "{ me { role } }")).toMatchObject(refusedWhole);
    expect(await api.ask("garbage", "{ me { role } }")).toMatchObject(refusedWhole);
    expect(await closedWith("garbage", live[0]?.text() ?? "")).toMatchObject({ code: 4403 });
    const basic = await fetch(`${api.url}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: "Basic eDp5" },
      body: JSON.stringify({ query: "{ me { role } }" }),
    });
    expect(basic.status).toBe(401);
    await basic.text();
  });

  it("not even for the schema", async () => {
    expect(await api.ask(undefined, "{ __schema { types { name } } }")).toMatchObject(refusedWhole);
  });
});

describe("another tenant's token", () => {
  const creating = new Set(["registerDevice", "defineDeviceType", "createAlertRule", "setRetention", "tenant"]);
  /** What fails before anything is looked for, asked as little as can be. */
  const refusedOtherwise: Readonly<Record<string, string>> = {
    // It is for those that a filter takes, and there is none.
    replayRejections: "BAD_REQUEST",
    // It counts in InfluxDB, which is not there.
    retentionPreview: "UNAVAILABLE",
  };
  let stranger: string;
  let other: string;

  beforeAll(async () => {
    other = await api.river.createTenant();
    stranger = await api.token(other);
  });

  it.each(overHttp.filter(({ name }) => !FORBIDDEN_TO_PLATFORM.has(name) && !creating.has(name)))(
    "$operation $name finds nothing of ours, and changes nothing",
    async ({ name, text, operation }) => {
      const before = await everything();
      const answer = await api.ask(stranger, text(idsFor(name)));
      // Queries may answer with nothing at all; mutations must say that there is no such thing.
      const refusal = refusedOtherwise[name] ?? "NOT_FOUND";
      expect(answer.codes.length === 0 && operation === "query" ? [refusal] : answer.codes).toEqual([refusal]);
      expect(JSON.stringify(answer.data ?? {})).not.toContain(tenant);
      expect(JSON.stringify(answer.data ?? {})).not.toContain(ids["alertId"]);
      const found = answer.data?.[name] ?? [];
      expect(found.edges ?? found).toEqual([]);
      expect(await everything()).toEqual(before);
    },
  );

  it.each(overHttp.filter(({ name }) => creating.has(name)))(
    "$name makes its own, beside ours",
    async ({ name, text }) => {
      const before = await everything();
      const { data, errors } = await api.ask(stranger, text(idsFor(name)));
      expect(errors).toEqual([]);
      expect(JSON.stringify(data)).toContain(other);
      expect(await everything()).toEqual(before);
    },
  );
});

describe("a platform token", () => {
  it.each(overHttp.filter(({ name }) => !FORBIDDEN_TO_PLATFORM.has(name)))(
    "$operation $name shows it no tenant's data",
    async ({ name, text }) => {
      expect((await api.ask(await api.platformToken(), text(idsFor(name)))).codes).toEqual(["FORBIDDEN"]);
    },
  );

  it("creates tenants and rebuilds read models, which no tenant's administrator may", async () => {
    const platform = await api.platformToken();
    const create = `mutation { createTenant(input: { tenantId: "new-tenant", name: "New" }) { shown tenant { tenantId name } } }`;
    expect((await api.ask(platform, create)).data.createTenant).toEqual({
      shown: true,
      tenant: { tenantId: "new-tenant", name: "New" },
    });
    const started = await api.ask(platform, rebuild("devices"));
    expect(started.data.rebuildProjection.rebuild.projection).toBe("devices");
    await waitFor(
      async () => (await api.ask(platform, "{ rebuilds { projection state } }")).data.rebuilds[0]?.state === "DONE",
      { what: "the rebuild to be done" },
    );
    expect((await api.ask(platform, rebuild("nonsense"))).codes).not.toEqual([]);
    for (const text of [create, rebuild("devices"), "{ rebuilds { state } }"]) {
      expect((await api.ask(admin, text)).codes).toEqual(["FORBIDDEN"]);
    }
    expect((await api.ask(platform, "{ me { subject role tenant { tenantId } } }")).data.me).toEqual({
      subject: "admin@example.org",
      role: "ADMIN",
      tenant: null,
    });
  });
});

describe("roles", () => {
  it.each(overHttp.filter(({ operation }) => operation === "mutation"))(
    "$name is not for those who look only",
    async ({ text }) => {
      expect(await allowed("VIEWER", text())).toBe(false);
      expect(await allowed("AUDITOR", text())).toBe(false);
    },
  );

  it.each([
    "decommissionDevice",
    "issueCredential",
    "revokeCredential",
    "defineDeviceType",
    "setRetention",
    "retentionPreview",
  ])("%s is for administrators, not operators", async (name) => {
    const text = fields.find((field) => field.name === name)?.text() ?? "";
    expect(await allowed("OPERATOR", text)).toBe(false);
    expect(await allowed("ADMIN", text)).toBe(true);
  });

  it("deviceEvents is for auditors and administrators", async () => {
    const text = `{ deviceEvents(deviceId: "press-1") { totalCount } }`;
    const who = await Promise.all(
      (["ADMIN", "AUDITOR", "OPERATOR", "VIEWER"] as const).map((role) => allowed(role, text)),
    );
    expect(who).toEqual([true, true, false, false]);
  });

  it.each(
    overHttp.filter(
      ({ name, operation }) =>
        operation === "query" && !["deviceEvents", "rebuilds", "retentionPreview"].includes(name),
    ),
  )("$name is for everyone in the tenant", async ({ text }) => {
    expect(await allowed("VIEWER", text())).toBe(true);
  });
});
