import { DomainError } from "../error.js";
import { checkLength, MAX_REMARK_LENGTH } from "../text.js";
import type { IssueCredential, RevokeCredential } from "./commands.js";
import type { DeviceEvent } from "./events.js";
import type { RegisteredDevice } from "./state.js";

/** Enough for any rotation with overlap; a device that collects more has a broken script behind it. */
export const MAX_CREDENTIALS = 16;
const MAX_LABEL_LENGTH = 255;

export function decideCredentialIssue(command: IssueCredential, state: RegisteredDevice): readonly DeviceEvent[] {
  const { credentialId, label, expiresAt } = command.data;
  if (state.credentials.some((credential) => credential.credentialId === credentialId)) return [];
  if (state.revoked.includes(credentialId)) {
    throw new DomainError("ILLEGAL_TRANSITION", `credential ${credentialId} was revoked: issue a new one`);
  }
  checkLength("label", label, MAX_LABEL_LENGTH);
  if (expiresAt !== undefined && !(Date.parse(expiresAt) > Date.parse(command.at))) {
    throw new DomainError("INVALID_VALUE", `expiresAt ${expiresAt} is not a time after now`);
  }
  const usable = state.credentials.filter(
    (credential) => credential.expiresAt === undefined || Date.parse(credential.expiresAt) > Date.parse(command.at),
  );
  if (usable.length >= MAX_CREDENTIALS) {
    throw new DomainError(
      "LIMIT_EXCEEDED",
      `device ${state.deviceId} has ${MAX_CREDENTIALS} credentials, the most there may be: revoke one first`,
    );
  }
  return [{ type: "CredentialIssued", data: command.data }];
}

export function decideCredentialRevocation(command: RevokeCredential, state: RegisteredDevice): readonly DeviceEvent[] {
  const { credentialId, reason } = command.data;
  checkLength("reason", reason, MAX_REMARK_LENGTH);
  if (state.revoked.includes(credentialId)) return [];
  if (!state.credentials.some((credential) => credential.credentialId === credentialId)) {
    throw new DomainError("NOT_FOUND", `device ${state.deviceId} has no credential ${credentialId}`);
  }
  return [{ type: "CredentialRevoked", data: command.data }];
}
