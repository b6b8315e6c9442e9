/** Why a connection ended, as the metrics name it. `disconnected` is the device's own wish, and no loss. */
export type EndReason =
  | "disconnected"
  | "connection-lost"
  | "keep-alive"
  | "taken-over"
  | "too-many-of-device"
  | "too-many-waiting"
  | "not-welcome"
  | "protocol"
  | "too-large"
  | "topic"
  | "not-stored"
  | "session-lost"
  | "slow-reader"
  | "connect-timeout"
  | "login-refused"
  | "shutting-down";

/** Being taken over is as good as a word of its own: the device is there. */
export function presenceReason(reason: EndReason): "disconnected" | "connection-lost" {
  return reason === "disconnected" || reason === "taken-over" ? "disconnected" : "connection-lost";
}
