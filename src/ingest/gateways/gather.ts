/** One answer to a message whose shares were stored, or refused, one by one. */
import type { Done, Outcome } from "../ingest.js";
import { refusal } from "../pipeline/refusal.js";

/**
 * A `done` for each of `names`; the message's own is called after the last. One share that could not be stored means that
 * the message should come again (what of it was stored lands on itself); one that was refused means that the answer
 * names it, while the others are stored.
 */
export function gather(names: readonly string[], done: Done): readonly Done[] {
  let open = names.length;
  let readings = 0;
  let failed: Extract<Outcome, { kind: "failed" }> | undefined;
  const refused: { readonly name: string; readonly outcome: Extract<Outcome, { kind: "refused" }> }[] = [];
  return names.map((name) => (outcome) => {
    open -= 1;
    switch (outcome.kind) {
      case "stored":
        readings += outcome.readings;
        break;
      case "refused":
        refused.push({ name, outcome });
        break;
      case "failed":
        failed ??= outcome;
        break;
    }
    if (open > 0) return;
    const [first] = refused;
    if (failed !== undefined) done(failed);
    else if (first === undefined) done({ kind: "stored", readings });
    else if (names.length === 1) done(first.outcome);
    else {
      const { code, message } = first.outcome.refusal;
      const others = refused.length === 1 ? "" : `, and ${refused.length - 1} more`;
      const text = `${names.length - refused.length} of ${names.length} devices are stored; ${JSON.stringify(first.name.slice(0, 80))} is not${others}: ${message}`;
      done({ kind: "refused", refusal: refusal(code, text) });
    }
  });
}
