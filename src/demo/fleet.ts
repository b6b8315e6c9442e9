/** The demo's fleet as data: which device replays which recording, what kinds of device there are, and what they are watched for. */

export interface DeviceKind {
  readonly deviceType: string;
  readonly manufacturer: string;
  readonly metrics: readonly { readonly name: string; readonly unit: string }[];
}

export interface Member {
  readonly deviceId: string;
  readonly name: string;
  readonly deviceType: string;
  readonly site: string;
  readonly metric: string;
  /** The recording, a path within samples/nab. */
  readonly file: string;
  /** Where in the recording it begins, 0 to 1: devices that share a recording do not all do the same at once. */
  readonly begin: number;
}

export interface Rule {
  readonly name: string;
  readonly deviceTypes: readonly string[];
  readonly metric: string;
  readonly operator: "GT" | "LT";
  readonly threshold: number;
  readonly clearThreshold: number;
  readonly forSeconds: number;
  readonly severity: "LOW" | "MEDIUM" | "HIGH" | "CRITICAL";
}

const fahrenheit = [{ name: "temperature", unit: "°F" }] as const;

export const deviceKinds: readonly DeviceKind[] = [
  { deviceType: "machine-thermometer", manufacturer: "Numenta", metrics: fahrenheit },
  { deviceType: "office-thermometer", manufacturer: "Numenta", metrics: fahrenheit },
  { deviceType: "hand-thermometer", manufacturer: "You", metrics: [{ name: "temperature", unit: "°C" }] },
  { deviceType: "server", manufacturer: "Amazon", metrics: [{ name: "cpu", unit: "%" }] },
  { deviceType: "load-balancer", manufacturer: "Amazon", metrics: [{ name: "requests", unit: "1" }] },
  { deviceType: "server-group", manufacturer: "Amazon", metrics: [{ name: "instances", unit: "1" }] },
  {
    deviceType: "road-sensor",
    manufacturer: "Twin Cities",
    metrics: [
      { name: "speed", unit: "mph" },
      { name: "occupancy", unit: "%" },
      { name: "travel_time", unit: "s" },
    ],
  },
];

/** The one that truly failed: its recording is played from beginning to end, and by it alone. */
export const MACHINE = "machine-1";

/**
 * For the person who watches: it plays nothing. A reading of theirs on a device that replays the past would be newer than
 * all that is still to come, and its rules would hold the rest for late.
 */
export const guest: Omit<Member, "begin"> = {
  deviceId: "yours",
  name: "Yours, to try things with",
  deviceType: "hand-thermometer",
  site: "here",
  metric: "temperature",
  file: "none",
};

interface Share {
  readonly prefix: string;
  readonly what: string;
  readonly deviceType: string;
  readonly site: string;
  readonly metric: string;
  readonly file: string;
  readonly count: number;
}

/** The order in which a smaller fleet is filled up, one of each at a time. 50 in all. */
const shares: readonly Share[] = [
  {
    prefix: "machine",
    what: "Industrial machine",
    deviceType: "machine-thermometer",
    site: "plant",
    metric: "temperature",
    file: "realKnownCause/machine_temperature_system_failure.csv",
    count: 1,
  },
  {
    prefix: "office",
    what: "Office",
    deviceType: "office-thermometer",
    site: "head office",
    metric: "temperature",
    file: "realKnownCause/ambient_temperature_system_failure.csv",
    count: 12,
  },
  {
    prefix: "web",
    what: "Web server",
    deviceType: "server",
    site: "cloud",
    metric: "cpu",
    file: "realAWSCloudwatch/ec2_cpu_utilization_ac20cd.csv",
    count: 6,
  },
  {
    prefix: "worker",
    what: "Worker",
    deviceType: "server",
    site: "cloud",
    metric: "cpu",
    file: "realAWSCloudwatch/ec2_cpu_utilization_5f5533.csv",
    count: 6,
  },
  {
    prefix: "database",
    what: "Database",
    deviceType: "server",
    site: "cloud",
    metric: "cpu",
    file: "realAWSCloudwatch/rds_cpu_utilization_cc0c53.csv",
    count: 6,
  },
  {
    prefix: "balancer",
    what: "Load balancer",
    deviceType: "load-balancer",
    site: "cloud",
    metric: "requests",
    file: "realAWSCloudwatch/elb_request_count_8c0756.csv",
    count: 4,
  },
  {
    prefix: "group",
    what: "Server group",
    deviceType: "server-group",
    site: "cloud",
    metric: "instances",
    file: "realAWSCloudwatch/grok_asg_anomaly.csv",
    count: 3,
  },
  {
    prefix: "speed",
    what: "Speed sensor",
    deviceType: "road-sensor",
    site: "motorway",
    metric: "speed",
    file: "realTraffic/speed_6005.csv",
    count: 4,
  },
  {
    prefix: "occupancy",
    what: "Occupancy sensor",
    deviceType: "road-sensor",
    site: "motorway",
    metric: "occupancy",
    file: "realTraffic/occupancy_6005.csv",
    count: 4,
  },
  {
    prefix: "travel-time",
    what: "Travel time sensor",
    deviceType: "road-sensor",
    site: "motorway",
    metric: "travel_time",
    file: "realTraffic/TravelTime_387.csv",
    count: 4,
  },
];

export const FULL_FLEET = shares.reduce((sum, { count }) => sum + count, 0);

/** The first `size` devices, the machine always among them. */
export function fleetOf(size: number): readonly Member[] {
  const members: Member[] = [];
  for (let round = 0; members.length < Math.min(size, FULL_FLEET); round += 1) {
    for (const { prefix, what, count, ...share } of shares) {
      if (round >= count || members.length >= size) continue;
      const number = round + 1;
      members.push({ ...share, deviceId: `${prefix}-${number}`, name: `${what} ${number}`, begin: round / count });
    }
  }
  return members;
}

const HOUR = 3_600;

/** Thresholds found by looking at the recordings: few false alarms, and the recorded failures within. */
export const rules: readonly Rule[] = [
  {
    name: "the machine has gone cold",
    deviceTypes: ["machine-thermometer"],
    metric: "temperature",
    operator: "LT",
    threshold: 45,
    clearThreshold: 60,
    forSeconds: HOUR,
    severity: "CRITICAL",
  },
  {
    name: "the machine is cooling down",
    deviceTypes: ["machine-thermometer"],
    metric: "temperature",
    operator: "LT",
    threshold: 50,
    clearThreshold: 70,
    forSeconds: HOUR / 2,
    severity: "HIGH",
  },
  {
    name: "the office's heating has failed",
    deviceTypes: ["office-thermometer"],
    metric: "temperature",
    operator: "LT",
    threshold: 60,
    clearThreshold: 63,
    forSeconds: 6 * HOUR,
    severity: "HIGH",
  },
  {
    name: "the office is too warm",
    deviceTypes: ["office-thermometer"],
    metric: "temperature",
    operator: "GT",
    threshold: 79,
    clearThreshold: 77,
    forSeconds: 6 * HOUR,
    severity: "MEDIUM",
  },
  {
    name: "the server's processor is saturated",
    deviceTypes: ["server"],
    metric: "cpu",
    operator: "GT",
    threshold: 90,
    clearThreshold: 80,
    forSeconds: HOUR / 2,
    severity: "HIGH",
  },
  {
    name: "the road is jammed",
    deviceTypes: ["road-sensor"],
    metric: "travel_time",
    operator: "GT",
    threshold: 1_800,
    clearThreshold: 900,
    forSeconds: HOUR,
    severity: "LOW",
  },
  {
    name: "your thermometer boils",
    deviceTypes: [guest.deviceType],
    metric: "temperature",
    operator: "GT",
    threshold: 100,
    clearThreshold: 90,
    forSeconds: 0,
    severity: "MEDIUM",
  },
];
