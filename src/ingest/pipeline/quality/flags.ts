/**
 * What a value may be doubted for. It is kept all the same, because it is possible; what is impossible is refused. The
 * order is that in which the flags of one value are joined. Part of the storage format: add, and never rename.
 */
export const qualityFlags = ["range", "spike", "stuck", "gap", "clock-skew", "late"] as const;
export type QualityFlag = (typeof qualityFlags)[number];
