/** Brings the demo's tenant, device types, devices, keys and rules into being, through GraphQL and nothing else. */
import { Limiter } from "../platform/limiter.js";
import { deviceKinds, rules } from "./fleet.js";
import type { Member, Rule } from "./fleet.js";
import { GraphqlRefusal } from "./graphql-client.js";
import type { GraphqlClient } from "./graphql-client.js";

/** The API key by device. */
export type Keys = ReadonlyMap<string, string>;

/** What the registry is told of a device. */
type Enrolled = Omit<Member, "begin">;

/** Commands that are under way at once. */
const CONCURRENT = 16;

/** The tenant's id: `wanted`, or one like it where a data directory that is used again has that already. `asPlatform` has a platform administrator's token. */
export async function createTenant(asPlatform: GraphqlClient, wanted: string): Promise<string> {
  const create = (tenantId: string): Promise<unknown> =>
    asPlatform.ask(`mutation ($input: CreateTenantInput!) { createTenant(input: $input) { shown } }`, {
      input: { tenantId, name: "The demo's fleet" },
    });
  try {
    await create(wanted);
    return wanted;
  } catch (error) {
    if (!(error instanceof GraphqlRefusal) || error.code !== "ALREADY_EXISTS") throw error;
    const another = `${wanted}-${Date.now().toString(36)}`;
    await create(another);
    return another;
  }
}

/** Types first, then devices with their keys; a device that is in it is active and may speak. */
export async function enrolFleet(client: GraphqlClient, members: readonly Enrolled[]): Promise<Keys> {
  for (const { deviceType, metrics } of deviceKinds) {
    await client.ask(`mutation ($input: DefineDeviceTypeInput!) { defineDeviceType(input: $input) { shown } }`, {
      input: { deviceType, metrics },
    });
  }
  const keys = new Map<string, string>();
  const limiter = new Limiter(CONCURRENT, members.length);
  await Promise.all(
    members.map((member) => limiter.run(async () => keys.set(member.deviceId, await enrol(client, member)))),
  );
  return keys;
}

async function enrol(client: GraphqlClient, member: Enrolled): Promise<string> {
  const { deviceId, deviceType, name, site } = member;
  const manufacturer = deviceKinds.find((kind) => kind.deviceType === deviceType)?.manufacturer;
  await client.ask(`mutation ($input: RegisterDeviceInput!) { registerDevice(input: $input) { shown } }`, {
    input: { deviceId, deviceType, name, manufacturer, location: { site }, metadata: { recording: member.file } },
  });
  return issueKey(client, deviceId);
}

/** Activates a registered device and gives it its key. */
async function issueKey(client: GraphqlClient, deviceId: string): Promise<string> {
  const { issueCredential } = await client.ask<{ readonly issueCredential: { readonly apiKey: string | null } }>(
    `mutation ($device: ID!) {
      activateDevice(input: { deviceId: $device }) { shown }
      issueCredential(input: { deviceId: $device, label: "demo" }) { apiKey }
    }`,
    { device: deviceId },
  );
  const { apiKey } = issueCredential;
  if (apiKey === null) throw new GraphqlRefusal("INTERNAL", `${deviceId} got no key`);
  return apiKey;
}

/** The rules that have a device to watch; the name by rule id. */
export async function createRules(
  client: GraphqlClient,
  members: readonly Enrolled[],
): Promise<ReadonlyMap<string, string>> {
  const names = new Map<string, string>();
  const types = new Set(members.map(({ deviceType }) => deviceType));
  for (const rule of rules.filter(({ deviceTypes }) => deviceTypes.some((type) => types.has(type)))) {
    names.set(await createRule(client, rule), rule.name);
  }
  return names;
}

export async function createRule(client: GraphqlClient, rule: Rule): Promise<string> {
  const { name, deviceTypes, severity, ...condition } = rule;
  const { createAlertRule } = await client.ask<{
    readonly createAlertRule: { readonly alertRule: { readonly ruleId: string } | null };
  }>(`mutation ($input: CreateAlertRuleInput!) { createAlertRule(input: $input) { alertRule { ruleId } } }`, {
    input: { name, filter: { deviceTypes }, condition, severity },
  });
  const { alertRule } = createAlertRule;
  if (alertRule === null) throw new GraphqlRefusal("UNAVAILABLE", `the rule "${name}" is stored but not shown yet`);
  return alertRule.ruleId;
}
