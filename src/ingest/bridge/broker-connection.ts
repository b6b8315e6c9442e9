/**
 * One connection to the outside broker, from CONNECT to its end: no reconnecting in here. The session is persistent, so
 * what is not acknowledged when it ends, the broker delivers again to the next one of the same client id.
 */
import { connect as connectTcp, isIP } from "node:net";
import type { Duplex } from "node:stream";
import { connect as connectTls } from "node:tls";
import { MqttClient } from "mqtt";
import type { IClientOptions, IPublishPacket } from "mqtt";
import { WebSocket, createWebSocketStream } from "ws";
import { messageOf } from "../../platform/errors.js";
import { AckGate } from "./ack-gate.js";

export type ProtocolVersion = 4 | 5;

/** A message of the broker. Call `stored` once it is durable: only then is it acknowledged. Without the call, end the connection. */
export interface BrokerMessage {
  readonly topic: string;
  readonly payload: Buffer;
  /** A value of the past that the broker keeps, and sends to each new subscriber. */
  readonly retained: boolean;
  readonly stored: () => void;
}

export interface BrokerConnectionOptions {
  readonly url: string;
  readonly clientId: string;
  readonly protocolVersion: ProtocolVersion;
  /**
   * Asked once the broker has said whether subscriptions can be shared among connections. None `wanted` ends the connection;
   * the `unwanted` are taken out of a session that is found again.
   */
  readonly filters: (canShare: boolean) => Filters;
  readonly onMessage: (message: BrokerMessage) => void;
  /** The broker has granted every filter. */
  readonly onReady: (canShare: boolean) => void;
  readonly onEnd: (end: ConnectionEnd) => void;
}

export interface Filters {
  readonly wanted: readonly string[];
  readonly unwanted: readonly string[];
}

/** Why a connection has ended; told once. */
export interface ConnectionEnd {
  readonly reason: string;
  /** The broker was there, and hung up without a word on whether it lets us in. */
  readonly hungUp: boolean;
  /** The broker does not speak our version of MQTT, and says so. */
  readonly versionRefused: boolean;
}

export interface BrokerConnection {
  /** Breaks off: what is not acknowledged stays with the broker. */
  readonly end: (reason: string) => void;
}

/** Messages of one connection that are being stored at one time; the broker is told, and its next one waits. */
const WINDOW = 256;
const CONNECT_WITHIN_MS = 10_000;
/** How long the broker is asked to keep our session, seconds. */
const SESSION_SECONDS = 7 * 24 * 3_600;

export function connectBroker(options: BrokerConnectionOptions): BrokerConnection {
  const { url, clientId, protocolVersion, filters, onMessage, onReady, onEnd } = options;
  let isReached = false;
  const socket = openSocket(url, () => {
    isReached = true;
  });
  const gate = new AckGate(socket, protocolVersion);
  const client = new MqttClient(() => gate, {
    ...credentialsIn(url),
    ...(protocolVersion === 5
      ? { properties: { sessionExpiryInterval: SESSION_SECONDS, receiveMaximum: WINDOW } }
      : {}),
    protocolVersion,
    clientId,
    clean: false,
    keepalive: 30,
    reconnectPeriod: 0,
    connectTimeout: CONNECT_WITHIN_MS,
    resubscribe: false,
    queueQoSZero: false,
  });
  let underWay = 0;
  let isOver = false;
  let hasConnack = false;
  /** mqtt.js waits for it before it reads on. */
  let resume: (() => void) | undefined;

  client.handleMessage = (packet: IPublishPacket, done: () => void) => {
    const { messageId, qos, topic, payload, retain } = packet;
    if (qos > 0 && messageId !== undefined) gate.hold(messageId);
    underWay += 1;
    let isAnswered = false;
    onMessage({
      topic,
      payload: Buffer.isBuffer(payload) ? payload : Buffer.from(payload),
      retained: retain,
      stored() {
        if (isAnswered || isOver) return;
        isAnswered = true;
        underWay -= 1;
        if (qos > 0 && messageId !== undefined) gate.stored(messageId);
        const next = resume;
        resume = undefined;
        next?.();
      },
    });
    if (underWay < WINDOW) done();
    else resume = done;
  };

  function end(reason: string, code?: number): void {
    if (isOver) return;
    isOver = true;
    resume = undefined;
    client.end(true);
    gate.destroy();
    onEnd({ reason, hungUp: isReached && !hasConnack, versionRefused: code === 1 || code === 0x84 });
  }

  client.on("connect", (connack) => {
    hasConnack = true;
    const canShare = protocolVersion === 5 && connack.properties?.sharedSubscriptionAvailable !== false;
    void begin(canShare, connack.sessionPresent);
  });
  client.on("error", (error) =>
    end(messageOf(error), "code" in error && typeof error.code === "number" ? error.code : undefined),
  );
  client.on("disconnect", ({ reasonCode }) =>
    end(`the broker ended the connection, reason code ${reasonCode ?? "none"}`),
  );
  client.on("close", () => end(hasConnack ? "the connection was lost" : "the connection was closed at once"));

  async function begin(canShare: boolean, hasSession: boolean): Promise<void> {
    try {
      const { wanted, unwanted } = filters(canShare);
      // What an earlier setting left in our session: a message of both would come twice.
      if (hasSession && unwanted.length > 0) await client.unsubscribeAsync([...unwanted]);
      await subscribe(wanted);
      if (!isOver) onReady(canShare);
    } catch (error) {
      end(messageOf(error));
    }
  }

  async function subscribe(wanted: readonly string[]): Promise<void> {
    if (wanted.length === 0) throw new Error("the broker does not share subscriptions");
    // Retained values are of the past; and every one of them would come again with every connection.
    const granted = await client.subscribeAsync([...wanted], protocolVersion === 5 ? { qos: 1, rh: 2 } : { qos: 1 });
    const refused = granted.find(({ qos }) => qos > 2);
    if (refused !== undefined)
      throw new Error(`the broker does not grant ${refused.topic}: reason code ${refused.qos}`);
  }

  return { end: (reason) => end(reason) };
}

/** `reached`: something listens there, whether or not it is a broker. */
function openSocket(text: string, reached: () => void): Duplex {
  const url = new URL(text);
  const host = url.hostname.replace(/^\[|\]$/gu, "");
  switch (url.protocol) {
    case "mqtts:": {
      // A name of a server is no address (RFC 6066): of an address, the certificate itself is asked.
      const named = isIP(host) === 0 ? { servername: host } : {};
      return connectTls({ host, port: portOf(url, 8883), ...named }, reached);
    }
    case "ws:":
    case "wss:": {
      const address = new URL(url);
      address.username = "";
      address.password = "";
      const socket = new WebSocket(address, ["mqtt"]);
      socket.once("open", reached);
      return createWebSocketStream(socket);
    }
    default:
      return connectTcp({ host, port: portOf(url, 1883), noDelay: true }, reached);
  }
}

function portOf({ port }: URL, usual: number): number {
  return port === "" ? usual : Number(port);
}

function credentialsIn(text: string): Pick<IClientOptions, "username" | "password"> {
  const { username, password } = new URL(text);
  return {
    ...(username === "" ? {} : { username: decodeURIComponent(username) }),
    ...(password === "" ? {} : { password: decodeURIComponent(password) }),
  };
}
