/** Which path of an HTTP server is answered by which WebSocket door: each asks for its own, and what nobody asked for gets its 404. */
import type { IncomingMessage, Server } from "node:http";
import type { Duplex } from "node:stream";

export type UpgradeHandler = (request: IncomingMessage, stream: Duplex, head: Buffer) => void;

/** By server: a server's upgrades are one event, and must be told apart in one place. */
const routes = new WeakMap<Server, Map<string, UpgradeHandler>>();

/** Has upgrades to `path` handled. Throws when somebody has that path already. */
export function routeUpgrades(server: Server, path: string, handler: UpgradeHandler): void {
  let paths = routes.get(server);
  if (paths === undefined) {
    const held = new Map<string, UpgradeHandler>();
    paths = held;
    routes.set(server, held);
    server.on("upgrade", (request: IncomingMessage, stream: Duplex, head: Buffer) => {
      // A client that goes in the middle of it is no news.
      stream.on("error", () => {});
      const found = held.get(request.url?.split("?", 1)[0] ?? "");
      if (found !== undefined) found(request, stream, head);
      // Without a word the client would wait for ever.
      else stream.end("HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    });
  }
  if (paths.has(path)) throw new Error(`upgrades to ${path} are handled already`);
  paths.set(path, handler);
}
