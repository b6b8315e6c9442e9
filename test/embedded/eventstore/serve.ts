/** A server in a process of its own, to be killed: `serve.ts DIRECTORY` prints its URL and runs until then. */
import { startEventStore } from "../../../src/embedded/eventstore/index.js";
import { silentLogger } from "../../../src/platform/logger.js";

const [, , path = ""] = process.argv;
const { url } = await startEventStore({ path, logger: silentLogger });
process.stdout.write(`${url}\n`);
