/** When every command of the specs is given, and two times beside it. */
export const NOW = "2026-01-15T12:00:00.000Z";
export const EARLIER = "2026-01-15T11:00:00.000Z";
export const LATER = "2026-01-15T13:00:00.000Z";
