import type { Output } from "./output.js";

/** Says so where a mutation is stored for good, but queries do not show it yet. */
export function noteUnshown(out: Output, { shown }: { readonly shown: boolean }): void {
  if (!shown) out.note("stored, but queries do not show it yet: the read model is behind (see /readyz)");
}
