/** An embedded engine in a process of its own, to be stopped and killed: `eventstore|documents DIRECTORY PORT`; prints its URL. */
import { startDocumentStore } from "../../../src/embedded/documents/index.js";
import { startEventStore } from "../../../src/embedded/eventstore/index.js";
import { silentLogger } from "../../../src/platform/logger.js";

const [kind = "", path = "", port = "0"] = process.argv.slice(2);
const options = { path, port: Number(port), logger: silentLogger };
const { url } = kind === "eventstore" ? await startEventStore(options) : await startDocumentStore(options);
process.stdout.write(`${url}\n`);
