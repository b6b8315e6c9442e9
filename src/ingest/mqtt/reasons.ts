/** Reason codes of MQTT 5 (section 2.4) that the gateway uses beside those of the error table. */
export const reasons = {
  success: 0x00,
  disconnectWithWill: 0x04,
  noSubscriptionExisted: 0x11,
  unspecifiedError: 0x80,
  malformedPacket: 0x81,
  protocolError: 0x82,
  implementationSpecific: 0x83,
  unsupportedProtocolVersion: 0x84,
  clientIdNotValid: 0x85,
  serverUnavailable: 0x88,
  serverShuttingDown: 0x8b,
  badAuthenticationMethod: 0x8c,
  keepAliveTimeout: 0x8d,
  sessionTakenOver: 0x8e,
  packetIdentifierNotFound: 0x92,
  receiveMaximumExceeded: 0x93,
  topicAliasInvalid: 0x94,
  packetTooLarge: 0x95,
  quotaExceeded: 0x97,
  administrativeAction: 0x98,
  payloadFormatInvalid: 0x99,
  retainNotSupported: 0x9a,
  sharedSubscriptionsNotSupported: 0x9e,
} as const;

/** CONNACK return codes of MQTT 3.1.1 (section 3.2.2.3). */
export const returnCodes = {
  accepted: 0,
  unacceptableVersion: 1,
  clientIdRejected: 2,
  serverUnavailable: 3,
  badUserNameOrPassword: 4,
  notAuthorized: 5,
} as const;

/** What PUBACK and PUBREC may say (section 3.4.2.1); clients close the connection on any other code. */
const ofPublish: ReadonlySet<number> = new Set([0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99]);

/** The same for SUBACK (section 3.9.3). */
const ofSubscribe: ReadonlySet<number> = new Set([0x80, 0x83, 0x87, 0x8f, 0x91, 0x97, 0x9e, 0xa1, 0xa2]);

/** A code of the error table as PUBACK and PUBREC may carry it; the reason string says the rest. */
export function publishReason(code: number): number {
  return ofPublish.has(code) ? code : reasons.implementationSpecific;
}

export function subscribeReason(code: number): number {
  return ofSubscribe.has(code) ? code : reasons.implementationSpecific;
}
