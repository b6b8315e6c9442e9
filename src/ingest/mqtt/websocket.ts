/**
 * MQTT over WebSocket (MQTT 5, section 6) on the path `/mqtt` of an HTTP server: binary frames that may hold parts of
 * packets or several of them, the subprotocol `mqtt`, and behind it the same door as everywhere.
 */
import type { IncomingMessage, Server } from "node:http";
import type { Duplex } from "node:stream";
import { createWebSocketStream, WebSocketServer } from "ws";
import { routeUpgrades } from "../../platform/upgrades.js";
import type { MqttDoor } from "./door.js";

const WEBSOCKET_PATH = "/mqtt";

/** `mqttv3.1` is what clients of version 3.1 say. */
const PROTOCOLS = ["mqtt", "mqttv3.1"];

/** Answers upgrades on `/mqtt` of the server; they belong to the door, and end with it. */
export function serveMqttOverWebSocket(server: Server, door: MqttDoor): void {
  const sockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    // A frame is held in memory until it is whole: it need not be larger than the largest packet.
    maxPayload: door.maxPacketBytes,
    handleProtocols: (offered) => PROTOCOLS.find((protocol) => offered.has(protocol)) ?? false,
  });
  routeUpgrades(server, WEBSOCKET_PATH, (request, stream, head) => {
    if (!offersMqtt(request)) {
      stream.end(
        "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: 47\r\n\r\nask for the WebSocket subprotocol mqtt, please\n",
      );
      return;
    }
    sockets.handleUpgrade(request, stream, head, (socket) => {
      const wire: Duplex = createWebSocketStream(socket);
      // Before the stream's own listener hands it on.
      socket.prependListener("message", (_data, isBinary) => {
        if (isBinary) return;
        socket.close(1003, "MQTT is sent in binary frames");
        wire.destroy();
      });
      door.adopt(wire, request.socket.remoteAddress);
    });
  });
}

function offersMqtt({ headers }: IncomingMessage): boolean {
  const offered = headers["sec-websocket-protocol"]?.split(",").map((protocol) => protocol.trim()) ?? [];
  return offered.some((protocol) => PROTOCOLS.includes(protocol));
}
