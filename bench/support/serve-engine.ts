/** One embedded engine in a process of its own, as the platform runs them: forked with its kind and its directory, tells its address, ends with its parent. */
import { startDocumentStore } from "../../src/embedded/documents/index.js";
import { startEventStore } from "../../src/embedded/eventstore/index.js";
import { createLogger } from "../../src/platform/logger.js";

const [, , kind = "", path = ""] = process.argv;
const logger = createLogger({ level: "error", name: kind });
const server =
  kind === "eventstore" ? await startEventStore({ path, logger }) : await startDocumentStore({ path, logger });
process.once("disconnect", () => {
  void server.stop().finally(() => process.exit(0));
});
process.send?.({ url: server.url });
