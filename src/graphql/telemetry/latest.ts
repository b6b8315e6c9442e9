import type { LatestValue } from "../../ingest/index.js";
import type { LatestMetric } from "./type.js";

export function latestMetric({ quality, ...value }: LatestValue): LatestMetric {
  return { ...value, quality: flagsOf(quality) };
}

/** Stored as one text: `spike|late`. */
export function flagsOf(quality: string | undefined): readonly string[] {
  return quality === undefined ? [] : quality.split("|");
}
