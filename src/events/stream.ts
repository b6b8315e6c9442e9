/** The aggregates, by the word that their streams begin with. */
export const categories = ["tenant", "deviceType", "device", "alertRule", "alert"] as const;
export type Category = (typeof categories)[number];

export interface StreamName {
  readonly category: Category;
  readonly tenantId: string;
  /** The aggregate's id within the tenant; a tenant is its own. */
  readonly id: string;
}

/** `device-{tenant}.{device}`. EventStoreDB takes what stands before the first "-" for the category; ids hold no ".". */
export function streamName(category: Category, tenantId: string, id: string): string {
  return `${category}-${tenantId}.${id}`;
}

/** Undefined for a stream that is not ours: the log may be shared. */
export function parseStreamName(stream: string): StreamName | undefined {
  const dash = stream.indexOf("-");
  const dot = stream.indexOf(".", dash);
  if (dash < 0 || dot < 0) return undefined;
  const category = categories.find((known) => known === stream.slice(0, dash));
  return category === undefined
    ? undefined
    : { category, tenantId: stream.slice(dash + 1, dot), id: stream.slice(dot + 1) };
}
