import type { QualityChecks } from "../../../domain/device-type/index.js";
import type { TypeAccess } from "../../registry/device-access.js";

/** What is asked of the readings of one device type. */
export interface Checks {
  /** Those metrics that are asked anything. */
  readonly metrics: ReadonlyMap<string, QualityChecks>;
  /** Ms between two readings that are more than their being late explains. */
  readonly gapAfterMs: number | undefined;
}

/** A reading that is half a period late is late; more, and one is missing. */
const GAP_PERIODS = 1.5;

/**
 * The checks of a type, or undefined for one that asks nothing, worked out once for each version of it. The type before is
 * remembered by itself: devices of one type tend to follow each other, and those without checks should pay nothing.
 */
export function createChecks(): (type: TypeAccess) => Checks | undefined {
  interface Known {
    readonly metrics: TypeAccess["metrics"];
    readonly reportEvery: number | undefined;
    readonly checks: Checks | undefined;
  }
  const known = new WeakMap<TypeAccess, Known>();
  let lastType: TypeAccess | undefined;
  let last: Known | undefined;
  return (type) => {
    if (type !== lastType) {
      lastType = type;
      last = known.get(type);
    }
    // The registry puts a new version into the same object.
    if (last === undefined || last.metrics !== type.metrics || last.reportEvery !== type.reportEvery) {
      last = { metrics: type.metrics, reportEvery: type.reportEvery, checks: checksOf(type) };
      known.set(type, last);
    }
    return last.checks;
  };
}

function checksOf({ metrics: definitions, reportEvery }: TypeAccess): Checks | undefined {
  const metrics = new Map<string, QualityChecks>();
  for (const { name, quality } of definitions?.values() ?? []) {
    if (quality !== undefined && Object.keys(quality).length > 0) metrics.set(name, quality);
  }
  if (metrics.size === 0 && reportEvery === undefined) return undefined;
  return { metrics, gapAfterMs: reportEvery === undefined ? undefined : reportEvery * 1_000 * GAP_PERIODS };
}
