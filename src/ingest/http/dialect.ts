import type { Format } from "../codecs/format.js";

/** How a dialect differs from the platform's own way of taking a message in. */
export interface Dialect {
  /** Of telemetry that does not say its form by its content type. */
  readonly format: Format;
  /** Where 202 is not what its clients take for success. */
  readonly status: number;
}
