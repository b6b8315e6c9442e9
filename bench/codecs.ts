/** Messages a second by format: through codec and pipeline alone, and through the whole MQTT door. */
import { credentialId, deviceId, deviceTypeId, tenantId } from "../src/domain/ids.js";
import { decodeTelemetry } from "../src/ingest/codecs/decode.js";
import { formats } from "../src/ingest/codecs/format.js";
import type { Format } from "../src/ingest/codecs/format.js";
import type { DeviceAccess } from "../src/ingest/index.js";
import { readTelemetry } from "../src/ingest/pipeline/telemetry.js";
import { createConversions } from "../src/ingest/pipeline/units/convert.js";
import type { Bench } from "./support/bench.js";
import { ratioOf } from "./support/bench.js";
import { DEVICE_TYPE, enrolDevices, METRICS } from "./support/enrol.js";
import { runFormatLoad } from "./support/format-load.js";
import { PROTOBUF, samples, writers } from "./support/format-payloads.js";
import { startBenchPlatform } from "./support/platform.js";

const sizes = { messages: 40_000, connections: 50, seconds: 1 };

/** Through the door, by the topic's last level. */
const doorFormats: Readonly<Record<string, Format>> = {
  json: "json",
  cbor: "cbor",
  senml: "senml+json",
  "senml-cbor": "senml+cbor",
  protobuf: "protobuf",
};

const WINDOW = 64;

export const codecs: Bench<typeof sizes> = {
  about:
    "one reading of three metrics in each format: codec and pipeline alone, and through the MQTT door until stored durably",
  sizes,
  async run({ messages, connections, seconds }, say) {
    say("· codec and pipeline, in process");
    const taken = samples(WINDOW);
    const inProcess = Object.fromEntries(
      formats.map((format) => [format, measure(taken.map(writers[format]), seconds, pipelineOf(format))]),
    );
    const jsonPayloads = taken.map(writers.json);
    const parse = measure(jsonPayloads, seconds, (payload) => JSON.parse(payload.toString("utf8")) as unknown);
    const door = await throughTheDoor(messages, connections, say);
    const bytes = Object.fromEntries(formats.map((format) => [format, taken.map(writers[format])[0]?.length]));
    const baseline = { name: "JSON.parse of the JSON form", per_s: parse };
    return {
      figures: { codec_per_s: inProcess, door_per_s: door, payload_bytes: bytes, messages, connections },
      baseline,
      ratio: ratioOf(inProcess["json"] ?? 0, baseline),
    };
  },
};

/** Messages a second, of the best of three rounds: what disturbs only slows. */
function measure(payloads: readonly Buffer[], seconds: number, take: (payload: Buffer) => unknown): number {
  let best = 0;
  for (let round = 0; round < 3; round += 1) {
    const since = performance.now();
    let count = 0;
    while (performance.now() - since < (seconds * 1_000) / 3) {
      for (const payload of payloads) take(payload);
      count += payloads.length;
    }
    best = Math.max(best, (count * 1_000) / (performance.now() - since));
  }
  return Math.round(best);
}

function pipelineOf(format: Format): (payload: Buffer) => void {
  const access: DeviceAccess = {
    tenantId: tenantId("bench"),
    deviceId: deviceId("device-1"),
    deviceType: deviceTypeId(DEVICE_TYPE),
    status: "ACTIVE",
    credentials: [
      { credentialId: credentialId("00000000-0000-4000-8000-000000000001"), type: "API_KEY", hash: "", issuedAt: "" },
    ],
    configuration: { version: 0, config: {} },
    type: {
      metrics: new Map(METRICS.map((name) => [name, { name, kind: "number" as const }])),
      codec: { format, protobuf: PROTOBUF },
    },
    revision: 0,
  };
  const bounds = { maxAgeMs: 366 * 86_400_000, conversions: createConversions() };
  return (payload) => {
    const now = Date.now();
    const measurements = decodeTelemetry(access, payload, format, now);
    const readings = "code" in measurements ? measurements : readTelemetry(access, measurements, now, bounds);
    if ("code" in readings) throw new Error(`${format}: ${readings.message}`);
  };
}

async function throughTheDoor(
  messages: number,
  connections: number,
  say: (line: string) => void,
): Promise<Readonly<Record<string, number>>> {
  const bench = await startBenchPlatform(say);
  try {
    say(`· registering ${connections} devices`);
    const devices = await enrolDevices(bench.api, bench.tenant, connections);
    await bench.api.ask(`mutation ($input: DefineDeviceTypeInput!) { defineDeviceType(input: $input) { shown } }`, {
      input: {
        deviceType: DEVICE_TYPE,
        metrics: METRICS.map((name) => ({ name })),
        codec: { format: "PROTOBUF", protobuf: PROTOBUF },
      },
    });
    const load = { port: bench.mqttPort, devices, messagesPerDevice: Math.ceil(messages / connections) };
    const perSecond: Record<string, number> = {};
    // The first round warms the gateway up, and is not counted.
    for (const round of ["warm-up", "measured"]) {
      for (const [suffix, format] of Object.entries(doorFormats)) {
        const payloads = samples(WINDOW).map(writers[format]);
        const acked = Math.round(await runFormatLoad({ ...load, topic: `telemetry/${suffix}`, payloads }));
        perSecond[format] = acked;
        say(`· ${round}: ${format} ${acked} messages/s`);
      }
    }
    return perSecond;
  } finally {
    await bench.stop();
  }
}
