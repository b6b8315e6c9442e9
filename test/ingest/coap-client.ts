/** CoAP as a test speaks it: datagrams of its own making on a UDP socket, and Debian's `coap-client`. */
import { execFile } from "node:child_process";
import { createSocket } from "node:dgram";
import type { Socket } from "node:dgram";
import { generate, parse } from "coap-packet";
import type { Packet, ParsedPacket } from "coap-packet";
import { waitFor } from "../support/wait-for.js";

export interface RawClient {
  readonly received: ParsedPacket[];
  send(packet: Packet | Buffer): void;
  /** The next packet that fits and was not given out before. */
  next(fits?: (packet: ParsedPacket) => boolean): Promise<ParsedPacket>;
  close(): void;
}

let lastId = Math.floor(Math.random() * 60_000);
export function newMessageId(): number {
  lastId = (lastId + 1) % 0x10000;
  return lastId;
}

export async function rawClient(port: number): Promise<RawClient> {
  const socket: Socket = createSocket("udp4");
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  const received: ParsedPacket[] = [];
  const given = new Set<ParsedPacket>();
  socket.on("message", (datagram) => received.push(parse(datagram)));
  return {
    received,
    send: (packet) => socket.send(Buffer.isBuffer(packet) ? packet : generate(packet, 70_000), port, "127.0.0.1"),
    next: (fits = () => true) =>
      waitFor(
        () => {
          const found = received.find((packet) => !given.has(packet) && fits(packet));
          if (found !== undefined) given.add(found);
          return found;
        },
        { what: "a CoAP packet", everyMs: 5, deadlineMs: 30_000 },
      ),
    close: () => socket.close(),
  };
}

export interface RequestOptions {
  readonly code?: string;
  readonly path: string;
  readonly query?: readonly string[];
  readonly payload?: string | Buffer;
  readonly token?: Buffer;
  readonly messageId?: number;
  readonly confirmable?: boolean;
  /** By coap-packet's names. */
  readonly options?: readonly { readonly name: string; readonly value: Buffer }[];
}

export function request(given: RequestOptions): Packet & { messageId: number; token: Buffer } {
  const { code = "POST", path, query = [], payload = "", confirmable = true, options = [] } = given;
  const id = given.messageId ?? newMessageId();
  return {
    code,
    confirmable,
    messageId: id,
    token: given.token ?? Buffer.from([id >> 8, id & 0xff]),
    payload: Buffer.from(payload),
    options: [
      ...path.split("/").map((part) => ({ name: "Uri-Path", value: Buffer.from(part) })),
      ...query.map((part) => ({ name: "Uri-Query", value: Buffer.from(part) })),
      ...options,
    ],
  };
}

export function uintBytes(value: number): Buffer {
  const bytes: number[] = [];
  for (let left = value; left > 0; left = Math.floor(left / 256)) bytes.unshift(left % 256);
  return Buffer.from(bytes);
}

export function blockBytes(num: number, more: boolean, size: number): Buffer {
  return uintBytes((num << 4) | (more ? 8 : 0) | (Math.log2(size) - 4));
}

export interface Ran {
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end; rejects when it takes longer than 60 s. */
export function run(command: string, args: readonly string[]): Promise<Ran> {
  return new Promise((resolve, reject) => {
    execFile(command, [...args], { timeout: 60_000 }, (error, stdout, stderr) => {
      if (error !== null && error.killed === true) reject(error);
      else resolve({ stdout, stderr });
    });
  });
}
