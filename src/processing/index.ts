/** The port of processing: what the composition root starts. */
export { startProcessor } from "./processor.js";
export type { ProcessorDeps, ProcessorOptions } from "./processor.js";
