/** Each tenant has its own bound: one that floods the ledger pushes out nobody's rejections but its own. */
import { BoundedMap } from "../../platform/bounded-map.js";
import type { LedgerCollections, RejectionDocument } from "./document.js";

export interface TenantBounds {
  /** These are new in the store. */
  inserted(documents: readonly Pick<RejectionDocument, "tenantId" | "size">[]): void;
  /** Removes the oldest of the tenants that are over their bound. */
  trim(): Promise<void>;
}

interface Usage {
  documents: number;
  bytes: number;
}

/** A trim leaves so much free, so that not every insertion needs one. */
const LEAVE = 0.95;
const REMOVED_AT_ONCE = 500;

export function createTenantBounds(
  { rejections }: Pick<LedgerCollections, "rejections">,
  bound: Readonly<Usage>,
): TenantBounds {
  /** An estimate that is counted anew before anything is removed: expiry and other ledgers change the truth. */
  const usages = new BoundedMap<string, Usage>(10_000);
  const touched = new Set<string>();

  async function measured(tenantId: string): Promise<Usage> {
    const [sum] = await rejections
      .aggregate<Usage>([
        { $match: { tenantId } },
        { $group: { _id: null, documents: { $sum: 1 }, bytes: { $sum: "$size" } } },
      ])
      .toArray();
    return { documents: sum?.documents ?? 0, bytes: sum?.bytes ?? 0 };
  }

  function isOver({ documents, bytes }: Usage, share: number): boolean {
    return documents > bound.documents * share || bytes > bound.bytes * share;
  }

  async function trimTenant(tenantId: string): Promise<void> {
    const estimate = usages.get(tenantId);
    if (estimate !== undefined && !isOver(estimate, 1)) return;
    const usage = await measured(tenantId);
    usages.set(tenantId, usage);
    if (!isOver(usage, 1)) return;
    while (isOver(usage, LEAVE)) {
      const oldest = await rejections
        .find({ tenantId }, { sort: { at: 1, _id: 1 }, limit: REMOVED_AT_ONCE, projection: { size: 1 } })
        .toArray();
      if (oldest.length === 0) return;
      const going: string[] = [];
      for (const { _id, size } of oldest) {
        if (!isOver(usage, LEAVE)) break;
        usage.documents -= 1;
        usage.bytes -= size;
        going.push(_id);
      }
      await rejections.deleteMany({ _id: { $in: going } });
    }
  }

  return {
    inserted(documents) {
      for (const { tenantId, size } of documents) {
        touched.add(tenantId);
        const usage = usages.peek(tenantId);
        if (usage === undefined) continue;
        usage.documents += 1;
        usage.bytes += size;
      }
    },
    async trim() {
      for (const tenantId of touched) {
        await trimTenant(tenantId);
        touched.delete(tenantId);
      }
    },
  };
}
