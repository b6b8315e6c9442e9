/** What comes out behind the doors of one test file: readings, presence, and the devices of a small site. */
import type { MqttClient } from "mqtt";
import { deviceId } from "../../../src/domain/ids.js";
import { feedFrames } from "../../../src/ingest/index.js";
import type { Presence, Reading } from "../../../src/ingest/index.js";
import { silentLogger } from "../../../src/platform/logger.js";
import { subjects } from "../../../src/platform/subjects.js";
import type { DeviceDocument } from "../../../src/projections/device/document.js";
import { waitFor } from "../../support/wait-for.js";
import { announce, deviceDocument, gatewayUnderTest, natsUnderTest } from "../support.js";
import type { GatewayUnderTest, NatsUnderTest } from "../support.js";

export interface SeenPresence extends Presence {
  readonly device: string;
}

export interface Site {
  readonly nats: NatsUnderTest;
  readonly under: GatewayUnderTest;
  /** In the order in which they are stored. */
  readonly readings: Reading[];
  readonly presences: SeenPresence[];
  /** Changes a device as its projection would, and waits until the doors know. */
  change(device: string, changes: Partial<DeviceDocument>): Promise<DeviceDocument>;
  /** The values of a device, oldest first, once there are so many. */
  valuesOf(device: string, count: number): Promise<readonly Reading["values"][]>;
  stop(): Promise<void>;
}

/** A gateway `gw1`, its devices `pump1` ("Pump 1") and `pump2` ("Pump 2"), and `stranger`, which is nobody's. */
export async function siteUnderTest(): Promise<Site> {
  const nats = await natsUnderTest();
  const under = await gatewayUnderTest(nats.nc);
  const readings: Reading[] = [];
  const presences: SeenPresence[] = [];
  const { models, registry } = under;
  const gateway = deviceId("gw1");
  models.put("acme", "gw1", deviceDocument("acme", "gw1"));
  models.put("acme", "pump1", { gateway, name: "Pump 1", credentials: [] });
  models.put("acme", "pump2", { gateway, name: "Pump 2", credentials: [] });
  models.put("acme", "stranger", { name: "Stranger", credentials: [] });
  models.put("other", "pump1", { gateway, name: "Pump 1", credentials: [] });

  const feed = feedFrames({ nc: nats.nc, consumer: "writer", logger: silentLogger });
  void (async () => {
    for await (const frame of feed.frames) {
      readings.push(...frame.readings);
      frame.message.ack();
    }
  })();
  const told = nats.nc.subscribe(subjects.report("presence", "acme", "*"), {
    callback(_error, message) {
      presences.push({ ...message.json<Presence>(), device: message.subject.split(".").at(-1) ?? "" });
    },
  });
  await nats.nc.flush();

  return {
    nats,
    under,
    readings,
    presences,
    async change(device, changes) {
      const document = models.put("acme", device, changes);
      announce(nats.nc, document);
      await waitFor(async () => (await registry.find("acme", device))?.revision === document.revision);
      return document;
    },
    async valuesOf(device, count) {
      const those = (): Reading[] => readings.filter((reading) => reading.deviceId === device);
      await waitFor(() => those().length >= count, { what: `${count} readings of ${device}` });
      return those().map(({ values }) => values);
    },
    async stop() {
      feed.stop();
      told.unsubscribe();
      await under.stop();
      await nats.stop();
    },
  };
}

export interface Heard {
  readonly topic: string;
  readonly payload: Buffer;
}

/** What a client is sent, from now on. */
export function heardBy(client: MqttClient): Heard[] {
  const heard: Heard[] = [];
  client.on("message", (topic, payload) => heard.push({ topic, payload }));
  return heard;
}
