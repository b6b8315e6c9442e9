/** Devices that send one reading at a time and know when: real MQTT clients beside the load. */
import { SimulatedDevice } from "../../src/demo/device.js";
import { Latencies } from "../../src/demo/latencies.js";
import type { Lifecycle } from "../../src/platform/lifecycle.js";
import { DEVICE_TYPE } from "./enrol.js";
import type { LoadedDevice } from "./mqtt-loader.js";

export interface Probes {
  readonly devices: readonly SimulatedDevice[];
  readonly acks: Latencies;
}

export async function connectProbes(
  enrolled: readonly LoadedDevice[],
  metric: string,
  mqttPort: number,
  lifecycle: Lifecycle,
): Promise<Probes> {
  const acks = new Latencies();
  const devices: SimulatedDevice[] = [];
  for (const { tenant, device, key } of enrolled) {
    const probe = await SimulatedDevice.connect({
      mqttUrl: `mqtt://127.0.0.1:${mqttPort}`,
      tenant,
      key,
      member: { deviceId: device, name: device, deviceType: DEVICE_TYPE, site: "", metric, file: "", begin: 0 },
      ackLatencies: acks,
      onRefused: (reason) => process.stderr.write(`  refused: ${reason}\n`),
    });
    devices.push(lifecycle.add(device, probe));
  }
  return { devices, acks };
}
