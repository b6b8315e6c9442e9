/** What an index is: the part of the catalog that planner and writer read. */
import type { Document } from "../semantics/bson.js";
import { compileFilter } from "../semantics/filter.js";
import type { Matcher } from "../semantics/filter.js";

export interface IndexField {
  readonly path: string;
  readonly segments: readonly string[];
  readonly direction: 1 | -1;
}

export interface IndexSpec {
  /** The first four bytes of its keys. Never used twice. */
  readonly id: number;
  readonly name: string;
  readonly fields: readonly IndexField[];
  readonly unique: boolean;
  readonly sparse: boolean;
  readonly partial: { readonly filter: Document; readonly matches: Matcher } | undefined;
  /** Documents end that many seconds after the date in the field. */
  readonly expireAfterSeconds: number | undefined;
  /** Some document has an array at one of the fields: a document may have several keys, and the order of keys is no order of documents. */
  multikey: boolean;
}

export const maxIndexFields = 32;
export const maxIndexes = 64;

export function indexFields(key: Readonly<Record<string, number>>): readonly IndexField[] {
  return Object.entries(key).map(([path, direction]) => ({
    path,
    segments: path.split("."),
    direction: direction < 0 ? -1 : 1,
  }));
}

export function keyPattern(index: IndexSpec): Record<string, 1 | -1> {
  return Object.fromEntries(index.fields.map(({ path, direction }) => [path, direction]));
}

export function partialOf(filter: Document | undefined): IndexSpec["partial"] {
  return filter === undefined ? undefined : { filter, matches: compileFilter(filter) };
}
