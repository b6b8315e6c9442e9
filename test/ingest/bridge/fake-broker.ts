/** As much of an MQTT broker as it takes to see what the bridge acknowledges, and when. */
import { once } from "node:events";
import { createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { generate, parser as createParser } from "mqtt-packet";
import type { IConnectPacket, ISubscribePacket } from "mqtt-packet";

export interface FakeBroker {
  readonly url: string;
  readonly connects: readonly IConnectPacket[];
  readonly subscribes: readonly ISubscribePacket[];
  /** Packet identifiers, in the order in which they were acknowledged. */
  readonly acknowledged: readonly number[];
  /** To the connection that came last. */
  publish(messageId: number, topic: string, payload: string): void;
  stop(): Promise<void>;
}

/** `versions`: those that it lets in; `shares`: whether it says that it shares subscriptions. */
export async function startFakeBroker(options: {
  readonly versions: readonly number[];
  readonly shares?: boolean;
}): Promise<FakeBroker> {
  const connects: IConnectPacket[] = [];
  const subscribes: ISubscribePacket[] = [];
  const acknowledged: number[] = [];
  const sockets = new Set<Socket>();
  let last: { readonly socket: Socket; readonly protocolVersion: number } | undefined;
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => sockets.delete(socket));
    const parser = createParser();
    let protocolVersion = 4;
    const send = (answer: Parameters<typeof generate>[0]): void => {
      socket.write(generate(answer, { protocolVersion }));
    };
    parser.on("packet", (packet) => {
      switch (packet.cmd) {
        case "connect": {
          connects.push(packet);
          protocolVersion = packet.protocolVersion ?? 4;
          if (!options.versions.includes(protocolVersion)) {
            // MQTT 3.1.1, section 3.1.2.2: return code 1, in the form of the version that it speaks.
            socket.end(generate({ cmd: "connack", returnCode: 1, sessionPresent: false }));
            return;
          }
          last = { socket, protocolVersion };
          const properties = { sharedSubscriptionAvailable: options.shares ?? true };
          send(
            protocolVersion === 5
              ? { cmd: "connack", reasonCode: 0, sessionPresent: false, properties }
              : { cmd: "connack", returnCode: 0, sessionPresent: false },
          );
          return;
        }
        case "subscribe":
          subscribes.push(packet);
          send({ cmd: "suback", messageId: packet.messageId ?? 0, granted: packet.subscriptions.map(() => 1) });
          return;
        case "puback":
          acknowledged.push(packet.messageId ?? 0);
          return;
        case "pingreq":
          send({ cmd: "pingresp" });
          return;
        default:
      }
    });
    socket.on("data", (chunk) => parser.parse(chunk));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `mqtt://127.0.0.1:${(server.address() as AddressInfo).port}`,
    connects,
    subscribes,
    acknowledged,
    publish(messageId, topic, payload) {
      if (last === undefined) throw new Error("nobody is connected");
      const { socket, protocolVersion } = last;
      socket.write(
        generate({ cmd: "publish", qos: 1, dup: false, retain: false, messageId, topic, payload }, { protocolVersion }),
      );
    },
    async stop() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
