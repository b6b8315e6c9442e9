/** Devices and rules for a bench, through GraphQL. */
import type { GraphqlClient } from "../../src/demo/graphql-client.js";
import { Limiter } from "../../src/platform/limiter.js";
import type { LoadedDevice } from "./mqtt-loader.js";

export const METRICS = ["temperature", "humidity", "vibration"] as const;
export const DEVICE_TYPE = "bench-sensor";

const CONCURRENT = 32;

/** The device type with its three metrics, and `count` active devices with a key each. */
export async function enrolDevices(
  api: GraphqlClient,
  tenant: string,
  count: number,
  prefix = "device",
): Promise<LoadedDevice[]> {
  await api.ask(`mutation ($input: DefineDeviceTypeInput!) { defineDeviceType(input: $input) { shown } }`, {
    input: { deviceType: DEVICE_TYPE, metrics: METRICS.map((name) => ({ name })) },
  });
  const limiter = new Limiter(CONCURRENT, count);
  return Promise.all(
    Array.from({ length: count }, (_, index) =>
      limiter.run(async () => {
        const device = `${prefix}-${index + 1}`;
        const { issueCredential } = await api.ask<{ readonly issueCredential: { readonly apiKey: string } }>(
          `mutation ($device: ID!, $type: String!) {
            registerDevice(input: { deviceId: $device, deviceType: $type }) { shown }
            activateDevice(input: { deviceId: $device }) { shown }
            issueCredential(input: { deviceId: $device }) { apiKey }
          }`,
          { device, type: DEVICE_TYPE },
        );
        return { tenant, device, key: issueCredential.apiKey };
      }),
    ),
  );
}

export interface RuleOfBench {
  readonly name: string;
  readonly metric: string;
  readonly operator: "GT" | "LT";
  readonly threshold: number;
  readonly forSeconds?: number;
}

export async function createRules(api: GraphqlClient, rules: readonly RuleOfBench[]): Promise<void> {
  for (const { name, ...condition } of rules) {
    await api.ask(`mutation ($input: CreateAlertRuleInput!) { createAlertRule(input: $input) { shown } }`, {
      input: { name, condition, severity: "HIGH" },
    });
  }
}

/** Every reading of the bench is judged by one of these for each of its metrics, and none of them ever holds. */
export const watchfulRules: readonly RuleOfBench[] = [
  { name: "hot", metric: "temperature", operator: "GT", threshold: 900 },
  { name: "dry", metric: "humidity", operator: "LT", threshold: -900, forSeconds: 60 },
  { name: "shaking", metric: "vibration", operator: "GT", threshold: 900 },
];
