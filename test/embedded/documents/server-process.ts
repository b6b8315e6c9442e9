/** A document store in a process of its own, to be killed: argument 1 is its directory; prints its URL. */
import { startDocumentStore } from "../../../src/embedded/documents/index.js";
import { silentLogger } from "../../../src/platform/logger.js";

const [, , path = ""] = process.argv;
const store = await startDocumentStore({ path, logger: silentLogger });
process.stdout.write(`${store.url}\n`);
