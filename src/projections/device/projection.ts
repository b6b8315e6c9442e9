import { never } from "../../domain/decider.js";
import { withChanges } from "../../domain/device/index.js";
import type { DeviceEvent } from "../../domain/device/index.js";
import type { Recorded } from "../../events/index.js";
import type { Projection } from "../projection.js";
import type { DeviceDocument } from "./document.js";

/** Revoked credentials stay visible for a while; the history keeps them all. */
const SHOWN_REVOKED = 32;

/** Also what `device(id, asOf)` folds: the past is shown by the very code that shows the present. */
export function evolveDevice(
  document: DeviceDocument | undefined,
  event: Recorded<DeviceEvent>,
): DeviceDocument | undefined {
  const { occurredAt, tenantId } = event.metadata;
  if (event.type === "DeviceRegistered") {
    return {
      ...event.data,
      _id: deviceDocumentId(tenantId, event.data.deviceId),
      revision: event.revision,
      status: "REGISTERED",
      credentials: [],
      configuration: { version: 0, config: {} },
      connectivity: { online: false },
      createdAt: occurredAt,
      updatedAt: occurredAt,
    };
  }
  if (document === undefined) throw new Error("the stream does not begin with DeviceRegistered");
  return { ...after(document, event), revision: event.revision, updatedAt: occurredAt };
}

type Later = Exclude<Recorded<DeviceEvent>, { readonly type: "DeviceRegistered" }>;

/** What takes a field away cannot be said by fields that change. */
function after(document: DeviceDocument, event: Later): DeviceDocument {
  if (event.type === "DeviceDetailsChanged") return withChanges(document, event.data);
  if (event.type !== "GatewayRemoved") return { ...document, ...changes(document, event) };
  const { gateway: _former, ...alone } = document;
  return alone;
}

function changes(
  document: DeviceDocument,
  event: Exclude<Later, { readonly type: "DeviceDetailsChanged" | "GatewayRemoved" }>,
): Partial<DeviceDocument> {
  const { occurredAt } = event.metadata;
  const { configuration } = document;
  switch (event.type) {
    case "DeviceActivated":
    case "MaintenanceEnded":
      return { status: "ACTIVE" };
    case "DeviceDeactivated":
      return { status: "INACTIVE" };
    case "MaintenanceStarted":
      return { status: "MAINTENANCE" };
    case "DeviceDecommissioned":
      return { status: "DECOMMISSIONED" };
    case "CredentialIssued": {
      const { credentialType: type, ...issued } = event.data;
      return { credentials: [...document.credentials, { ...issued, type, issuedAt: occurredAt }] };
    }
    case "CredentialRevoked": {
      const credentials = document.credentials.map((credential) =>
        credential.credentialId === event.data.credentialId ? { ...credential, revokedAt: occurredAt } : credential,
      );
      const revoked = credentials.filter((credential) => credential.revokedAt !== undefined);
      const forgotten = new Set(revoked.slice(0, Math.max(0, revoked.length - SHOWN_REVOKED)));
      return { credentials: credentials.filter((credential) => !forgotten.has(credential)) };
    }
    case "ConfigurationChanged":
      return { configuration: { ...configuration, ...event.data, changedAt: occurredAt, status: "PENDING" } };
    case "ConfigurationApplied": {
      const { version } = event.data;
      const reported = { version, status: "APPLIED", at: occurredAt } as const;
      return {
        configuration: {
          ...configuration,
          reported,
          ...(version === configuration.version ? { status: "APPLIED" } : {}),
        },
      };
    }
    case "ConfigurationFailed": {
      const { version, error } = event.data;
      const reported = { version, status: "FAILED", error, at: occurredAt } as const;
      return {
        configuration: {
          ...configuration,
          reported,
          ...(version === configuration.version ? { status: "FAILED" } : {}),
        },
      };
    }
    case "CalibrationChanged":
      return { calibration: event.data.calibration };
    case "GatewayAssigned":
      return { gateway: event.data.gatewayId };
    case "FirmwareUpdated":
      return { firmwareVersion: event.data.firmwareVersion };
    case "DeviceWentOnline":
      return { connectivity: { online: true, since: event.data.since } };
    case "DeviceWentOffline":
      return { connectivity: { online: false, since: event.data.since, reason: event.data.reason } };
    default:
      return never(event);
  }
}

export function deviceDocumentId(tenantId: string, deviceId: string): string {
  return `${tenantId}/${deviceId}`;
}

export const deviceProjection: Projection = {
  name: "devices",
  entity: "device",
  category: "device",
  // Each ends with _id, as every page's order does: without it a server would have to sort the whole tenant for one page.
  indexes: [
    { key: { tenantId: 1, deviceId: 1, _id: 1 }, name: "by_device" },
    { key: { tenantId: 1, createdAt: 1, _id: 1 }, name: "by_created" },
    { key: { tenantId: 1, updatedAt: 1, _id: 1 }, name: "by_updated" },
    { key: { tenantId: 1, name: 1, _id: 1 }, name: "by_name" },
    { key: { tenantId: 1, deviceType: 1, deviceId: 1, _id: 1 }, name: "by_type" },
    { key: { tenantId: 1, status: 1, deviceId: 1, _id: 1 }, name: "by_status" },
    { key: { tenantId: 1, "connectivity.online": 1, deviceId: 1, _id: 1 }, name: "by_connectivity" },
    { key: { tenantId: 1, "location.site": 1, deviceId: 1, _id: 1 }, name: "by_site" },
    { key: { tenantId: 1, gateway: 1, deviceId: 1, _id: 1 }, name: "by_gateway" },
    { key: { "credentials.hash": 1 }, name: "by_key" },
  ],
  documentId: (event) => event.streamId.slice("device-".length).replace(".", "/"),
  evolve: (document, event) => evolveDevice(document as DeviceDocument | undefined, event as Recorded<DeviceEvent>),
};
