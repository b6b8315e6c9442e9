import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ruleId, tenantId } from "../../src/domain/ids.js";
import { newId } from "../../src/platform/ids.js";
import { at, system } from "../support/river.js";
import type { Api } from "./api.js";
import { startApi } from "./api.js";
import { raiseAlert } from "./raise-alert.js";

let api: Api;
let tenant: string;
let operator: string;

beforeAll(async () => {
  api = await startApi();
  tenant = await api.river.createTenant();
  operator = await api.token(tenant, "OPERATOR");
});
afterAll(() => api.stop());

describe("alert rules", () => {
  const CREATE = `mutation ($input: CreateAlertRuleInput!) {
    createAlertRule(input: $input) { shown alertRule { ruleId version enabled name severity cooldownSeconds filter { deviceTypes sites } condition { metric operator threshold clearThreshold forSeconds } } }
  }`;
  const hot = { name: "hot", severity: "HIGH", condition: { metric: "temperature", operator: "GT", threshold: 90 } };

  it("are created once however often they are sent, changed by version, disabled and enabled", async () => {
    const input = { ...hot, commandId: newId(), filter: { deviceTypes: ["press"] } };
    const { data } = await api.ask(operator, CREATE, { input });
    const rule = data.createAlertRule.alertRule;
    expect(rule).toMatchObject({
      version: 1,
      enabled: true,
      severity: "HIGH",
      cooldownSeconds: 0,
      filter: { deviceTypes: ["press"], sites: null },
      condition: { metric: "temperature", operator: "GT", threshold: 90, clearThreshold: null, forSeconds: 0 },
    });
    const again = await api.ask(operator, CREATE, { input });
    expect(again.data.createAlertRule.alertRule.ruleId).toBe(rule.ruleId);

    const UPDATE = `mutation ($input: UpdateAlertRuleInput!) { updateAlertRule(input: $input) { alertRule { version name condition { threshold } } } }`;
    const update = { ruleId: rule.ruleId, expectedVersion: 1, condition: { ...hot.condition, threshold: 95 } };
    expect((await api.ask(operator, UPDATE, { input: update })).data.updateAlertRule.alertRule).toEqual({
      version: 2,
      name: "hot",
      condition: { threshold: 95 },
    });
    expect((await api.ask(operator, UPDATE, { input: { ...update, name: "x" } })).codes).toEqual(["VERSION_CONFLICT"]);

    const toggle = async (name: string) =>
      (
        await api.ask(operator, `mutation ($id: ID!) { ${name}(input: { ruleId: $id }) { alertRule { enabled } } }`, {
          id: rule.ruleId,
        })
      ).data[name].alertRule.enabled;
    expect(await toggle("disableAlertRule")).toBe(false);
    expect(await toggle("enableAlertRule")).toBe(true);
    const listed = await api.ask(
      operator,
      `{ alertRules(filter: { metric: "temperature", enabled: true }) { totalCount edges { node { name } } } }`,
    );
    expect(listed.data.alertRules).toEqual({ totalCount: 1, edges: [{ node: { name: "hot" } }] });
    const one = await api.ask(operator, `query ($id: ID!) { alertRule(id: $id) { version } }`, { id: rule.ruleId });
    expect(one.data.alertRule.version).toBe(2);
  });

  it("are refused for what can never fire", async () => {
    const input = { ...hot, condition: { ...hot.condition, clearThreshold: 100 } };
    const refused = await api.ask(operator, CREATE, { input });
    expect(refused.codes).toEqual(["INVALID_VALUE"]);
    expect(refused.errors[0]?.message).toContain("clearThreshold");
    const nan = await api.ask(operator, CREATE, {
      input: { ...hot, condition: { ...hot.condition, threshold: "NaN" } },
    });
    expect(nan.codes).toEqual(["BAD_REQUEST"]);
  });
});

describe("alerts", () => {
  it("are acknowledged, resolved by hand, filtered and counted, with their device and rule", async () => {
    await api.river.registerDevice(tenantId(tenant), "press-1");
    const rule = ruleId(newId());
    const data = {
      tenantId: tenantId(tenant),
      ruleId: rule,
      name: "r",
      filter: {},
      condition: { metric: "t", operator: "GT", threshold: 1, forSeconds: 0 },
      severity: "LOW",
      cooldownSeconds: 0,
      notificationChannels: [],
    } as const;
    await api.river.commands.execute({
      category: "alertRule",
      tenantId: tenant,
      id: rule,
      command: { type: "CreateAlertRule", at: at(), data },
      actor: system,
    });
    const first = await raiseAlert(api, tenant, { ruleId: rule, deviceId: "press-1", severity: "HIGH" });
    const second = await raiseAlert(api, tenant, { ruleId: rule, deviceId: "press-1", severity: "LOW" });

    const ACK = `mutation ($id: ID!) { acknowledgeAlert(input: { alertId: $id, note: "on my way" }) { shown alert { status acknowledgedBy acknowledgeNote device { deviceId } rule { name } } } }`;
    const acknowledged = await api.ask(operator, ACK, { id: first });
    expect(acknowledged.data.acknowledgeAlert).toEqual({
      shown: true,
      alert: {
        status: "ACKNOWLEDGED",
        acknowledgedBy: "user:operator@example.org",
        acknowledgeNote: "on my way",
        device: { deviceId: "press-1" },
        rule: { name: "r" },
      },
    });
    const RESOLVE = `mutation ($id: ID!) { resolveAlert(input: { alertId: $id }) { alert { status resolvedAt resolution { cause by } } } }`;
    expect((await api.ask(operator, RESOLVE, { id: second })).data.resolveAlert.alert).toMatchObject({
      status: "RESOLVED",
      resolution: { cause: "by-hand", by: "user:operator@example.org" },
    });
    expect((await api.ask(operator, ACK, { id: second })).codes).toEqual(["ILLEGAL_TRANSITION"]);
    expect((await api.ask(operator, ACK, { id: newId() })).codes).toEqual(["NOT_FOUND"]);

    const LIST = `query ($filter: AlertFilterInput) { alerts(filter: $filter) { totalCount edges { node { alertId } } } }`;
    const open = await api.ask(operator, LIST, {
      filter: { statuses: ["ACTIVE", "ACKNOWLEDGED"], deviceId: "press-1" },
    });
    expect(open.data.alerts).toEqual({ totalCount: 1, edges: [{ node: { alertId: first } }] });
    const low = await api.ask(operator, LIST, { filter: { severities: ["LOW"], from: "2020-01-01T00:00:00Z" } });
    expect(low.data.alerts.edges).toEqual([{ node: { alertId: second } }]);
    const late = await api.ask(operator, LIST, { filter: { from: "2999-01-01T00:00:00Z" } });
    expect(late.data.alerts.totalCount).toBe(0);
    const under = await api.ask(
      operator,
      `{ device(id: "press-1") { alerts(first: 1) { totalCount edges { node { alertId } } } } }`,
    );
    expect(under.data.device.alerts.totalCount).toBe(2);
    expect(under.data.device.alerts.edges[0].node.alertId).toBe(second);
  });
});
