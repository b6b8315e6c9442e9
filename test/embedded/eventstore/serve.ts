/** A server in a process of its own, to be killed: `serve.ts DIRECTORY [FLUSH]` prints its URL and runs until then. */
import { startEventStore } from "../../../src/embedded/eventstore/index.js";
import { silentLogger } from "../../../src/platform/logger.js";

const [, , path = "", flush = ""] = process.argv;
const { url } = await startEventStore({
  path,
  logger: silentLogger,
  flush: flush === "after-answer" ? flush : "before-answer",
});
process.stdout.write(`${url}\n`);
