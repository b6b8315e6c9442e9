/** An MQTT client that does what a test says, wrong things included: packets or bytes out, packets in. */
import { once } from "node:events";
import { createConnection } from "node:net";
import type { Duplex } from "node:stream";
import { connect as connectTls } from "node:tls";
import { generate, parser } from "mqtt-packet";
import type { IConnectPacket, Packet } from "mqtt-packet";
import { createWebSocketStream, WebSocket } from "ws";
import { waitFor } from "../../support/wait-for.js";
import { KEY } from "../support.js";

export type Version = 3 | 4 | 5;

export type Received<C extends Packet["cmd"]> = Extract<Packet, { cmd: C }>;

export class RawClient {
  readonly packets: Packet[] = [];
  readonly wire: Duplex;
  readonly version: Version;
  isClosed = false;

  constructor(wire: Duplex, version: Version) {
    this.wire = wire;
    this.version = version;
    const incoming = parser({ protocolVersion: version });
    incoming.on("packet", (packet) => this.packets.push(packet));
    wire.on("data", (chunk: Buffer) => incoming.parse(chunk));
    wire.on("error", () => {});
    wire.on("close", () => {
      this.isClosed = true;
    });
    wire.on("end", () => wire.end());
  }

  send(...packets: readonly Packet[]): void {
    const bytes = packets.map((packet) => generate(packet, { protocolVersion: this.version }));
    this.write(Buffer.concat(bytes));
  }

  write(bytes: Buffer): void {
    if (this.wire.writable) this.wire.write(bytes);
  }

  publish(topic: string, payload: string | Buffer, more: Partial<Received<"publish">> = {}): void {
    this.send({ cmd: "publish", topic, payload, qos: 0, dup: false, retain: false, ...more });
  }

  /** The first packet of the kind that has not been asked for; waits for it. */
  async next<C extends Packet["cmd"]>(cmd: C): Promise<Received<C>> {
    const at = await waitFor(
      () => {
        const index = this.packets.findIndex((packet) => packet.cmd === cmd);
        if (index >= 0) return { index };
        if (this.isClosed)
          throw new Error(`the connection is closed, and no ${cmd} came: ${JSON.stringify(this.packets)}`);
        return undefined;
      },
      { what: `a ${cmd}` },
    );
    const [packet] = this.packets.splice(at.index, 1);
    return packet as Received<C>;
  }

  /** Logs in and waits for CONNACK. */
  async connect(given: Partial<IConnectPacket> = {}): Promise<Received<"connack">> {
    this.send(connectPacket(this.version, given));
    return this.next("connack");
  }

  /** Resolves with the DISCONNECT that came before the end, if one came. */
  async ended(): Promise<Received<"disconnect"> | undefined> {
    await waitFor(() => this.isClosed, { what: "the end of the connection" });
    return this.packets.find((packet): packet is Received<"disconnect"> => packet.cmd === "disconnect");
  }

  destroy(): void {
    this.wire.destroy();
  }
}

export function connectPacket(protocolVersion: Version, given: Partial<IConnectPacket> = {}): IConnectPacket {
  return {
    cmd: "connect",
    protocolId: protocolVersion === 3 ? "MQIsdp" : "MQTT",
    protocolVersion,
    clean: true,
    clientId: "raw",
    keepalive: 60,
    username: "acme/d1",
    password: Buffer.from(KEY),
    ...given,
  };
}

export async function overTcp(port: number, version: Version): Promise<RawClient> {
  const socket = createConnection({ host: "127.0.0.1", port });
  socket.on("error", () => {});
  await once(socket, "connect");
  return new RawClient(socket, version);
}

export async function overTls(port: number, version: Version, ca: string): Promise<RawClient> {
  const socket = connectTls({ host: "127.0.0.1", port, ca });
  await once(socket, "secureConnect");
  return new RawClient(socket, version);
}

export async function overWebSocket(url: string, version: Version, protocol = "mqtt"): Promise<RawClient> {
  const socket = new WebSocket(url, protocol);
  await once(socket, "open");
  return new RawClient(createWebSocketStream(socket), version);
}
