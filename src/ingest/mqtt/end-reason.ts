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
