import { connect } from "nats";
import type { NatsConnection } from "nats";

export type { NatsConnection };

/** Keeps trying for ever, at start and after a loss: who waits for an answer has a deadline of its own. */
export function connectNats(url: string, name: string): Promise<NatsConnection> {
  return connect({
    servers: url.split(","),
    name,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 250,
    reconnectJitter: 250,
    waitOnFirstConnect: true,
    // A lost server is noticed within 10 s even where the network swallows the FIN.
    pingInterval: 5_000,
    maxPingOut: 2,
  });
}
