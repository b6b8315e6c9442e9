/** Aggregation: mingo's stages on documents as JavaScript sees them. */
import { Aggregator } from "mingo";
import type { Document } from "./bson.js";
import { CommandError } from "./errors.js";
import { mingoOptions, promoted, withMingo } from "./expression.js";

const stages = new Set([
  "$addFields",
  "$bucket",
  "$bucketAuto",
  "$count",
  "$densify",
  "$documents",
  "$facet",
  "$fill",
  "$graphLookup",
  "$group",
  "$limit",
  "$lookup",
  "$match",
  "$project",
  "$redact",
  "$replaceRoot",
  "$replaceWith",
  "$sample",
  "$set",
  "$setWindowFields",
  "$skip",
  "$sort",
  "$sortByCount",
  "$unionWith",
  "$unset",
  "$unwind",
]);

/** What the real server has and this store does not. */
const refused = new Set(["$out", "$merge", "$geoNear", "$indexStats", "$collStats", "$planCacheStats", "$search"]);

/** The documents of another collection, for `$lookup`, `$graphLookup` and `$unionWith`. */
export type CollectionReader = (name: string) => Document[];

/** Throws with the server's codes for stages that do not exist or are not supported. */
export function checkStages(pipeline: readonly Document[]): void {
  for (const stage of pipeline) {
    const names = Object.keys(stage);
    const [name = ""] = names;
    if (names.length !== 1) {
      throw new CommandError(40323, "A pipeline stage specification object must contain exactly one field.");
    }
    if (name === "$changeStream") {
      throw new CommandError(40573, "The $changeStream stage is only supported on replica sets");
    }
    if (refused.has(name)) throw new CommandError(238, `the pipeline stage ${name} is not supported by this store`);
    if (!stages.has(name)) throw new CommandError(40324, `Unrecognized pipeline stage name: '${name}'`);
  }
}

/** Documents in and out with promoted values. */
export function runStages(
  documents: Document[],
  pipeline: readonly Document[],
  readCollection: CollectionReader = () => [],
): Document[] {
  if (pipeline.length === 0) return documents;
  return withMingo(() => {
    const aggregator = new Aggregator(promoted(pipeline) as Document[], {
      ...mingoOptions,
      collectionResolver: readCollection,
    });
    return aggregator.run<Document>(documents);
  });
}
