/** Ports that are taken are moved: a second platform on one machine must start without being told anything. */
import { createSocket } from "node:dgram";
import { createServer, isIPv6 } from "node:net";

/**
 * `preferred` when it can be listened on, else a free one that the system picks (also for `undefined` and 0).
 * Somebody can take it before its user listens: who starts a server on it must be ready to choose again.
 */
export async function choosePort(
  preferred: number | undefined,
  host = "127.0.0.1",
  protocol: "tcp" | "udp" = "tcp",
): Promise<number> {
  const tryPort = protocol === "tcp" ? tryListen : tryBind;
  if (preferred !== undefined && preferred !== 0) {
    const granted = await tryPort(preferred, host);
    if (granted !== undefined) return granted;
  }
  const granted = await tryPort(0, host);
  if (granted === undefined) throw new Error(`the system has no free port on ${host}`);
  return granted;
}

/** The port, or `undefined` when it is taken or (below 1024, for an ordinary user) not ours to take. */
function tryListen(port: number, host: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRINUSE" || error.code === "EACCES") resolve(undefined);
      else reject(error);
    });
    server.listen({ port, host, exclusive: true }, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : undefined));
    });
  });
}

/** The same for UDP. */
function tryBind(port: number, host: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(isIPv6(host) ? "udp6" : "udp4");
    socket.once("error", (error: NodeJS.ErrnoException) => {
      socket.close();
      if (error.code === "EADDRINUSE" || error.code === "EACCES") resolve(undefined);
      else reject(error);
    });
    socket.bind({ port, address: host, exclusive: true }, () => {
      const granted = socket.address().port;
      socket.close(() => resolve(granted));
    });
  });
}
