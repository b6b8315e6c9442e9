/** Every device of the fleet logged in, with the recording that it is to play. */
import type { Lifecycle } from "../platform/lifecycle.js";
import { Limiter } from "../platform/limiter.js";
import { SimulatedDevice } from "./device.js";
import type { Keys } from "./enrol.js";
import type { Member } from "./fleet.js";
import type { Latencies } from "./latencies.js";
import { readRecording } from "./recordings.js";
import type { Recording } from "./recordings.js";
import type { Player } from "./replay.js";
import { createTimeline } from "./timeline.js";

export interface FleetOptions {
  readonly mqttUrl: string;
  readonly tenant: string;
  readonly members: readonly Member[];
  readonly keys: Keys;
  readonly samples: string;
  readonly ackLatencies: Latencies;
  readonly onRefused: (reason: string) => void;
  /** Stops the devices. */
  readonly lifecycle: Lifecycle;
}

/** Log-ins that are under way at once. */
const CONNECTING = 10;
/** Before now, so that no clock calls the last reading one from the future. */
const ENDS_BEFORE_NOW_MS = 1_000;

/** Rejects when a recording cannot be read or a device is not let in. */
export async function connectFleet(options: FleetOptions): Promise<readonly Player[]> {
  const { mqttUrl, tenant, members, keys, samples, ackLatencies, onRefused, lifecycle } = options;
  const endsAt = Date.now() - ENDS_BEFORE_NOW_MS;
  const recordings = new Map<string, Promise<Recording>>();
  const recordingOf = (file: string): Promise<Recording> => {
    const recording = recordings.get(file) ?? readRecording(samples, file);
    recordings.set(file, recording);
    return recording;
  };
  const refused = eachOnce(onRefused);
  const limiter = new Limiter(CONNECTING, members.length);
  return Promise.all(
    members.map((member) =>
      limiter.run(async () => {
        const timeline = createTimeline(await recordingOf(member.file), endsAt, member.begin);
        const key = keys.get(member.deviceId) ?? "";
        const device = await SimulatedDevice.connect({
          mqttUrl,
          tenant,
          member,
          key,
          ackLatencies,
          onRefused: refused,
        });
        return { timeline, device: lifecycle.add(member.deviceId, device) };
      }),
    ),
  );
}

/** Each reason once, and not more than twenty: a recording that is refused is refused thousands of times. */
function eachOnce(say: (reason: string) => void): (reason: string) => void {
  const said = new Set<string>();
  return (reason) => {
    if (said.size >= 20 || said.has(reason)) return;
    said.add(reason);
    say(reason);
  };
}
