/** What the device commands ask for. */
export interface DeviceRow {
  readonly deviceId: string;
  readonly deviceType: string;
  readonly name: string | null;
  readonly description: string | null;
  readonly manufacturer: string | null;
  readonly model: string | null;
  readonly firmwareVersion: string | null;
  readonly status: string;
  readonly location: {
    readonly site: string | null;
    readonly latitude: number | null;
    readonly longitude: number | null;
  } | null;
  readonly metadata: unknown;
  readonly gatewayId: string | null;
  readonly calibration: readonly { readonly metric: string; readonly offset: number; readonly scale: number }[];
  readonly connectivity: { readonly online: boolean; readonly since: string | null; readonly reason: string | null };
  readonly lastSeen: string | null;
  readonly configuration: {
    readonly status: string | null;
    readonly desired: { readonly version: number; readonly config: unknown };
    readonly reported: { readonly version: number; readonly status: string; readonly error: string | null } | null;
  };
  readonly revision: number;
  readonly asOf: string | null;
  readonly createdAt: string;
  readonly updatedAt: string;
}

export interface DeviceShown {
  readonly shown: boolean;
  readonly device: { readonly deviceId: string; readonly status: string } | null;
}

const FIELDS = /* GraphQL */ `
  fragment DeviceFields on Device {
    deviceId
    deviceType
    name
    description
    manufacturer
    model
    firmwareVersion
    status
    location {
      site
      latitude
      longitude
    }
    metadata
    gatewayId
    calibration {
      metric
      offset
      scale
    }
    connectivity {
      online
      since
      reason
    }
    lastSeen
    configuration {
      status
      desired {
        version
        config
      }
      reported {
        version
        status
        error
      }
    }
    revision
    asOf
    createdAt
    updatedAt
  }
`;

export const DEVICE = `${
  /* GraphQL */ `
    query ($id: ID!, $asOf: DateTime) {
      device(id: $id, asOf: $asOf) {
        ...DeviceFields
      }
    }
  `
}${FIELDS}`;

export const DEVICES = `${
  /* GraphQL */ `
    query ($filter: DeviceFilterInput, $first: Int!, $after: String) {
      devices(filter: $filter, first: $first, after: $after) {
        edges {
          node {
            ...DeviceFields
          }
        }
        pageInfo {
          hasNextPage
          endCursor
        }
      }
    }
  `
}${FIELDS}`;

/** Every change of a device has the same form; only its name and the type of its input differ. */
export const CHANGES = {
  registerDevice: change("registerDevice", "RegisterDeviceInput"),
  updateDevice: change("updateDevice", "UpdateDeviceInput"),
  activateDevice: change("activateDevice", "DeviceInput"),
  deactivateDevice: change("deactivateDevice", "DeviceStepInput"),
  startMaintenance: change("startMaintenance", "DeviceStepInput"),
  endMaintenance: change("endMaintenance", "DeviceInput"),
  decommissionDevice: change("decommissionDevice", "DeviceStepInput"),
  setDeviceConfiguration: change("setDeviceConfiguration", "SetDeviceConfigurationInput"),
  setDeviceCalibration: change("setDeviceCalibration", "SetDeviceCalibrationInput"),
  assignGateway: change("assignGateway", "AssignGatewayInput"),
  removeGateway: change("removeGateway", "DeviceInput"),
  revokeCredential: change("revokeCredential", "RevokeCredentialInput"),
} as const;

function change(mutation: string, inputType: string): string {
  return `mutation ($input: ${inputType}!) { ${mutation}(input: $input) { shown device { deviceId status configuration { desired { version } } } } }`;
}
