/** The HTTP and CoAP doors in a process of their own, for tests that kill it: `node … NATS_URL HTTP_PORT COAP_PORT`. Says its ports; ends with SIGKILL only. */
import { fastify } from "fastify";
import { connectNats } from "../../../src/engines/nats.js";
import { registerDeviceRoutes, startCoapDoor } from "../../../src/ingest/index.js";
import { silentLogger } from "../../../src/platform/logger.js";
import { gatewayUnderTest } from "../support.js";

const [natsUrl = "", httpPort = "0", coapPort = "0"] = process.argv.slice(2);
const { models, ingest, registry } = await gatewayUnderTest(await connectNats(natsUrl, "doors"));
for (const device of ["by-http", "by-coap"]) models.put("acme", device);
const deps = { ingest, registry, logger: silentLogger };
const app = fastify();
registerDeviceRoutes(app, { ...deps, maxPayloadBytes: 10_000 });
const origin = await app.listen({ host: "127.0.0.1", port: Number(httpPort) });
const coap = await startCoapDoor(deps, { host: "127.0.0.1", port: Number(coapPort), maxPayloadBytes: 10_000 });
process.stdout.write(`${JSON.stringify({ http: Number(new URL(origin).port), coap: coap.port })}\n`);
