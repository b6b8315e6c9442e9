import { payloadFormats } from "../../domain/device-type/index.js";
import type { PayloadFormat } from "../../domain/device-type/index.js";

/** The forms in which telemetry may come. */
export const formats = payloadFormats;
export type Format = PayloadFormat;
