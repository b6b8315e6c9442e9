/** findAndModify: one document found, changed or removed, and given back as it was or as it is. */
import { bsonType, buildDocument, decodeDocument } from "../semantics/bson.js";
import type { NamedRawValue } from "../semantics/bson.js";
import { CommandError } from "../semantics/errors.js";
import { compileProjection } from "../semantics/projection.js";
import { removeDocument } from "../storage/writer.js";
import { documentOf, flagOf, namespaceOf } from "./arguments.js";
import { element, rawDocumentElement } from "./command.js";
import type { Command } from "./command.js";
import { attempt, collectionFor, runUpdate, targets, updateSpecOf } from "./write.js";

function valueElement(document: Buffer | undefined): NamedRawValue {
  if (document !== undefined) return rawDocumentElement("value", document);
  return { name: "value", value: { type: bsonType.null, bytes: Buffer.alloc(0), start: 0, end: 0 } };
}

export const findAndModify: Command = {
  fields: new Set([
    "query",
    "sort",
    "remove",
    "update",
    "new",
    "fields",
    "upsert",
    "bypassDocumentValidation",
    "arrayFilters",
    "hint",
  ]),
  run({ store }, { name, body }) {
    const namespace = namespaceOf(body, name);
    const filter = documentOf(body, "query") ?? {};
    const project = compileProjection(documentOf(body, "fields"));
    const shown = (document: Buffer | undefined): Buffer | undefined =>
      document === undefined ? undefined : project(document);
    if (flagOf(body, "remove")) {
      if ("update" in body || flagOf(body, "new") || flagOf(body, "upsert")) {
        throw new CommandError(9, "Cannot specify both an update and remove=true, nor new or upsert with it");
      }
      return store.write(() => {
        const [found] = targets(store, namespace, filter, body, false);
        if (found !== undefined) removeDocument(store, collectionFor(store, namespace), found.record, found.bytes);
        return buildDocument([
          element("lastErrorObject", { n: found === undefined ? 0 : 1 }),
          valueElement(shown(found?.bytes)),
          element("ok", 1),
        ]);
      });
    }
    if (!("update" in body)) throw new CommandError(9, "Either an update or remove=true must be specified");
    return store.write(() => {
      const spec = updateSpecOf(body, filter, body["update"]);
      const outcome = attempt(() => runUpdate(store, namespace, spec));
      const upserted = outcome.upsertedId !== undefined;
      const given = flagOf(body, "new") ? outcome.after : outcome.before;
      return buildDocument([
        element("lastErrorObject", {
          n: upserted ? 1 : outcome.matched,
          updatedExisting: outcome.matched > 0,
          ...(upserted && outcome.after !== undefined ? { upserted: decodeDocument(outcome.after)["_id"] } : {}),
        }),
        valueElement(shown(given)),
        element("ok", 1),
      ]);
    });
  },
};
