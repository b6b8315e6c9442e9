import type { Generations } from "../generations.js";
import type { TenantDocument } from "./document.js";

const SLICE = 500;

export interface TenantQueries {
  find(tenantId: string): Promise<TenantDocument | undefined>;
  /** Every tenant, by id; for what the platform does for all of them. Reads some hundred at a time, whatever is done between. */
  all(): AsyncGenerator<TenantDocument>;
}

export function createTenantQueries(generations: Generations): TenantQueries {
  const collection = () => generations.current<TenantDocument>("tenants");
  return {
    async find(tenantId) {
      return (await (await collection()).findOne({ _id: tenantId })) ?? undefined;
    },
    async *all() {
      let after = "";
      for (;;) {
        const slice = await (
          await collection()
        )
          .find({ _id: { $gt: after } }, { sort: { _id: 1 }, limit: SLICE })
          .toArray();
        yield* slice;
        const last = slice.at(-1);
        if (last === undefined || slice.length < SLICE) return;
        after = last._id;
      }
    },
  };
}
