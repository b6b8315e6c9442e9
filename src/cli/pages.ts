import { FleetlogError } from "../platform/errors.js";
import type { Client } from "./client.js";

/** A Relay connection, as far as paging needs it. */
export interface Connection<T> {
  readonly edges: readonly { readonly node: T }[];
  readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null };
  readonly totalCount?: number;
}

/** What the platform takes at most. */
const MAX_PAGE = 500;

/**
 * The first `limit` entries, asked for page by page. The query takes `$first` and `$after`; `field` is the connection
 * in its answer. `more` says whether there are others behind them.
 */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the caller says what its own query gives
export async function take<T>(
  client: Client,
  query: string,
  variables: Readonly<Record<string, unknown>>,
  field: string,
  limit: number,
): Promise<{ readonly nodes: readonly T[]; readonly more: boolean }> {
  const nodes: T[] = [];
  let after: string | null = null;
  for (;;) {
    const first = Math.min(MAX_PAGE, limit - nodes.length);
    const answer: Readonly<Record<string, Connection<T>>> = await client.request(query, { ...variables, first, after });
    const page = answer[field];
    if (page === undefined) throw new FleetlogError("INTERNAL", `the answer has no ${field}`);
    nodes.push(...page.edges.map(({ node }) => node));
    const { hasNextPage, endCursor } = page.pageInfo;
    if (!hasNextPage || nodes.length >= limit) return { nodes, more: hasNextPage };
    after = endCursor ?? after;
  }
}
