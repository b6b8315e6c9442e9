/** A load of ready-made payloads over MQTT QoS 1 from raw sockets: what is compared is what the platform makes of them, so nothing is encoded meanwhile. */
import { createConnection } from "node:net";
import { generate } from "mqtt-packet";
import type { LoadedDevice } from "./mqtt-loader.js";

export interface FormatLoad {
  readonly port: number;
  /** One connection each. */
  readonly devices: readonly LoadedDevice[];
  /** `v1/{tenant}/{device}/{topic}`. */
  readonly topic: string;
  /** Sent in turn; as many wait for their PUBACKs at one time. */
  readonly payloads: readonly Buffer[];
  readonly messagesPerDevice: number;
}

/** Messages acknowledged a second. Rejects when a connection ends early. */
export async function runFormatLoad(load: FormatLoad): Promise<number> {
  const connections = await Promise.all(load.devices.map((device) => connect(device, load)));
  const since = performance.now();
  await Promise.all(connections.map((connection) => connection.run()));
  return (load.devices.length * load.messagesPerDevice * 1_000) / (performance.now() - since);
}

interface LoadConnection {
  run(): Promise<void>;
}

const ACK_BYTES = 4;

function connect(
  { tenant, device, key }: LoadedDevice,
  { port, topic, payloads, messagesPerDevice }: FormatLoad,
): Promise<LoadConnection> {
  const packets = payloads.map((payload, index) =>
    generate({
      cmd: "publish",
      topic: `v1/${tenant}/${device}/${topic}`,
      payload,
      qos: 1,
      messageId: index + 1,
      dup: false,
      retain: false,
    }),
  );
  const socket = createConnection({ host: "127.0.0.1", port, noDelay: true });
  let sent = 0;
  let acked = 0;
  let rest: Buffer = Buffer.alloc(0);
  let finish: (() => void) | undefined;

  const acknowledged = (chunk: Buffer): void => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const again: Buffer[] = [];
    let at = 0;
    for (; at + ACK_BYTES <= rest.length; at += ACK_BYTES) {
      acked += 1;
      const packet = packets[rest.readUInt16BE(at + 2) - 1];
      if (sent >= messagesPerDevice || packet === undefined) continue;
      sent += 1;
      again.push(packet);
    }
    rest = rest.subarray(at);
    if (again.length > 0) socket.write(Buffer.concat(again));
    if (acked >= messagesPerDevice) finish?.();
  };

  return new Promise((resolve, reject) => {
    socket.once("error", reject);
    socket.once("connect", () => {
      const who = { username: `${tenant}/${device}`, password: Buffer.from(key) };
      socket.write(
        generate({ cmd: "connect", clientId: device, protocolVersion: 4, clean: true, keepalive: 0, ...who }),
      );
    });
    socket.once("data", (connack) => {
      if (connack[3] !== 0) {
        reject(new Error(`${device} was not let in: return code ${connack[3] ?? "missing"}`));
        return;
      }
      resolve({
        run: () =>
          new Promise<void>((done, failed) => {
            finish = () => {
              finish = undefined;
              socket.removeAllListeners("close");
              socket.end();
              done();
            };
            socket.on("close", () =>
              failed(new Error(`${device}'s connection ended after ${acked} of ${messagesPerDevice}`)),
            );
            socket.on("data", acknowledged);
            const first = packets.slice(0, messagesPerDevice);
            sent = first.length;
            socket.write(Buffer.concat(first));
          }),
      });
    });
  });
}
