/** Calibration and gateways: what ingest asks of a device, as people set it. */
import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { tenantId } from "../../src/domain/ids.js";
import type { Api } from "./api.js";
import { startApi } from "./api.js";

let api: Api;
let tenant: string;
let admin: string;

beforeAll(async () => {
  api = await startApi();
  tenant = await api.river.createTenant();
  admin = await api.token(tenant);
  for (const id of ["press-1", "press-2", "gateway-1"]) await api.river.registerDevice(tenantId(tenant), id);
});
afterAll(() => api.stop());

const CALIBRATE = `mutation ($input: SetDeviceCalibrationInput!) {
  setDeviceCalibration(input: $input) { shown device { deviceId calibration { metric offset scale } } }
}`;
const calibrate = (calibration: readonly object[], deviceId = "press-1") =>
  api.ask(admin, CALIBRATE, { input: { deviceId, calibration } });

describe("setDeviceCalibration", () => {
  it("is shown by the device, with what was not said filled in", async () => {
    const { data } = await calibrate([
      { metric: "temperature", offset: -0.5, scale: 1.02 },
      { metric: "flow.raw", scale: 0.1 },
    ]);
    const calibration = [
      { metric: "temperature", offset: -0.5, scale: 1.02 },
      { metric: "flow.raw", offset: 0, scale: 0.1 },
    ];
    expect(data.setDeviceCalibration).toEqual({ shown: true, device: { deviceId: "press-1", calibration } });
    expect((await calibrate([])).data.setDeviceCalibration.device.calibration).toEqual([]);
  });

  it("is refused for a scale of 0, a metric named twice, and what is no number in the device's type", async () => {
    expect((await calibrate([{ metric: "t", scale: 0 }])).codes).toEqual(["INVALID_VALUE"]);
    const twice = await calibrate([{ metric: "t" }, { metric: "t", offset: 1 }]);
    expect(twice.errors[0]?.message).toContain("t is calibrated twice");
    await api.must(
      admin,
      `mutation { defineDeviceType(input: { deviceType: "press", metrics: [{ name: "mode", kind: STRING }, { name: "t" }] }) { shown } }`,
    );
    const text = await calibrate([{ metric: "mode", offset: 1 }]);
    expect(text.codes).toEqual(["INVALID_VALUE"]);
    expect(text.errors[0]?.message).toBe("metric mode is a string: only numbers are calibrated");
    expect((await calibrate([{ metric: "t", offset: 1 }])).codes).toEqual([]);
    expect((await calibrate([], "nobody")).codes).toEqual(["NOT_FOUND"]);
  });
});

const assign = (deviceId: string, gatewayId: string) =>
  api.ask(
    admin,
    `mutation ($input: AssignGatewayInput!) { assignGateway(input: $input) { shown device { gatewayId gateway { deviceId status } } } }`,
    { input: { deviceId, gatewayId } },
  );

describe("gateways", () => {
  const CHILDREN = `{ devices(filter: { gateway: "gateway-1" }) { totalCount edges { node { deviceId } } } }`;

  it("are assigned, listed by and removed", async () => {
    for (const id of ["press-2", "press-1"]) {
      expect((await assign(id, "gateway-1")).data.assignGateway).toEqual({
        shown: true,
        device: { gatewayId: "gateway-1", gateway: { deviceId: "gateway-1", status: "REGISTERED" } },
      });
    }
    expect((await api.ask(admin, CHILDREN)).data.devices).toEqual({
      totalCount: 2,
      edges: [{ node: { deviceId: "press-1" } }, { node: { deviceId: "press-2" } }],
    });
    const past = (await api.ask(admin, `{ device(id: "press-1") { updatedAt } }`)).data.device.updatedAt;
    const { data } = await api.ask(
      admin,
      `mutation { removeGateway(input: { deviceId: "press-1" }) { shown device { gatewayId gateway { deviceId } } } }`,
    );
    expect(data.removeGateway).toEqual({ shown: true, device: { gatewayId: null, gateway: null } });
    expect((await api.ask(admin, CHILDREN)).data.devices.edges).toEqual([{ node: { deviceId: "press-2" } }]);
    const asOf = await api.ask(admin, `{ device(id: "press-1", asOf: "${past}") { gatewayId gateway { deviceId } } }`);
    expect(asOf.data.device).toEqual({ gatewayId: "gateway-1", gateway: null });
  });

  it("are devices in service of the same tenant, and never the device itself", async () => {
    expect((await assign("press-1", "press-1")).codes).toEqual(["INVALID_VALUE"]);
    const unknown = await assign("press-1", "gateway-9");
    expect(unknown.codes).toEqual(["NOT_FOUND"]);
    expect(unknown.errors[0]?.message).toContain("gateway-9");
    const other = await api.river.createTenant();
    await api.river.registerDevice(tenantId(other), "foreign-gateway");
    expect((await assign("press-1", "foreign-gateway")).codes).toEqual(["NOT_FOUND"]);
    await api.river.registerDevice(tenantId(tenant), "scrapped");
    await api.must(admin, `mutation { decommissionDevice(input: { deviceId: "scrapped" }) { shown } }`);
    expect((await assign("press-1", "scrapped")).codes).toEqual(["NOT_FOUND"]);
  });
});

const hashOf = (key: string) => createHash("sha256").update(key).digest("hex");

describe("devices by key", () => {
  it("are found by the hash of one of their keys, and by no other", async () => {
    const { issueCredential } = await api.must(
      admin,
      `mutation { issueCredential(input: { deviceId: "press-2" }) { apiKey } }`,
    );
    const { devices } = api.river.readModels;
    expect(await devices.findByKey(hashOf(issueCredential.apiKey))).toMatchObject({
      tenantId: tenant,
      deviceId: "press-2",
    });
    expect(await devices.findByKey(hashOf("flk_nothing"))).toBeUndefined();
  });

  it("are looked up in the index, not by reading every device", async () => {
    const devices = api.river.mongo.db.collection("devices_1");
    const plan = await devices.find({ "credentials.hash": hashOf("x") }).explain();
    expect(JSON.stringify(plan)).toContain("by_key");
  });
});
