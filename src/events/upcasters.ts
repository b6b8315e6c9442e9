/**
 * How events of an older schema take the newest shape. Stored events are never rewritten: when the data of a type
 * changes, its version goes up in `schemaVersions`, an upcaster from the version before is added here, and
 * test/golden keeps an example of each version for ever.
 */
type Upcaster = (data: unknown) => unknown;

/** The version that is written today; 1 where nothing is said. */
const schemaVersions: Readonly<Record<string, number>> = {
  // 2: may say that a field is no more.
  DeviceDetailsChanged: 2,
  // 2: may say quality checks, a codec, and how often devices report.
  DeviceTypeDefined: 2,
};

/** `upcasters[type][version]` takes the data from that version to the next. */
const upcasters: Readonly<Record<string, Readonly<Record<number, Upcaster>>>> = {
  DeviceDetailsChanged: { 1: asItIs },
  DeviceTypeDefined: { 1: asItIs },
};

/** Where a version only may say more than the one before. It is a version all the same: a Fleetlog that would overlook what is said stops. */
function asItIs(data: unknown): unknown {
  return data;
}

export function schemaVersionOf(type: string): number {
  return schemaVersions[type] ?? 1;
}

export function upcast(type: string, from: number, data: unknown): { readonly type: string; readonly data: unknown } {
  const newest = schemaVersionOf(type);
  if (!Number.isInteger(from) || from < 1) {
    throw new Error(`${type} has the schema version ${JSON.stringify(from)}, which is not a whole number from 1`);
  }
  if (from > newest) {
    throw new Error(
      `${type} version ${from} was written by a newer Fleetlog; this one reads up to ${newest}: update it`,
    );
  }
  let current = data;
  for (let version = from; version < newest; version += 1) {
    const step = upcasters[type]?.[version];
    if (step === undefined) throw new Error(`${type} has no upcaster from version ${version}`);
    current = step(current);
  }
  return { type, data: current };
}
