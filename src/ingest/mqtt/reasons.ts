/** Reason codes of MQTT 5 (section 2.4) that the gateway uses beside those of the error table. */
export const reasons = {
  success: 0x00,
  disconnectWithWill: 0x04,
  noSubscriptionExisted: 0x11,
  unspecifiedError: 0x80,
  malformedPacket: 0x81,
  protocolError: 0x82,
  clientIdNotValid: 0x85,
  serverUnavailable: 0x88,
  serverShuttingDown: 0x8b,
  badAuthenticationMethod: 0x8c,
  keepAliveTimeout: 0x8d,
  sessionTakenOver: 0x8e,
  topicAliasInvalid: 0x94,
  packetTooLarge: 0x95,
  quotaExceeded: 0x97,
  administrativeAction: 0x98,
  retainNotSupported: 0x9a,
  qosNotSupported: 0x9b,
  subscriptionIdentifiersNotSupported: 0xa1,
} as const;

/** CONNACK return codes of MQTT 3.1.1 (section 3.2.2.3). */
export const returnCodes = {
  accepted: 0,
  clientIdRejected: 2,
  badUserNameOrPassword: 4,
  notAuthorized: 5,
} as const;
