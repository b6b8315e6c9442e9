/** What every document of a read model carries, whatever it shows. Times are ISO 8601 UTC. */
export interface ReadModelDocument {
  readonly _id: string;
  readonly tenantId: string;
  /** The revision of the aggregate's stream that the document shows: a replayed event at or below it matches nothing. */
  readonly revision: number;
}
