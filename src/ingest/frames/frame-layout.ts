/** The sizes of frame.ts's format, version 2. */
export const VERSION = 2;
export const HEADER_BYTES = 24;
export const LINE_BYTES = 16;
export const GROUP_BYTES = 16;
export const FLAG_MAINTENANCE = 1;
