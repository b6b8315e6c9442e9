import { DomainError } from "../error.js";
import { checkJson } from "../json.js";
import type { ReportConfiguration, SetConfiguration } from "./commands.js";
import type { DeviceEvent } from "./events.js";
import type { RegisteredDevice } from "./state.js";

/** A device's own words about a failure, kept in the history: bounded, because a device may say anything. */
const MAX_ERROR_LENGTH = 1024;

export function decideConfigurationSet(command: SetConfiguration, state: RegisteredDevice): readonly DeviceEvent[] {
  const { config, expectedVersion } = command.data;
  const { version } = state.configuration;
  if (expectedVersion !== undefined && expectedVersion !== version) {
    throw new DomainError(
      "VERSION_CONFLICT",
      `the configuration of device ${state.deviceId} is at version ${version}, not ${expectedVersion}: read it again and decide anew`,
      { currentVersion: version, expectedVersion },
    );
  }
  checkJson("a configuration", config);
  return [{ type: "ConfigurationChanged", data: { version: version + 1, config } }];
}

export function decideConfigurationReport(
  command: ReportConfiguration,
  state: RegisteredDevice,
): readonly DeviceEvent[] {
  const { version, status, error } = command.data;
  const { configuration } = state;
  if (!Number.isInteger(version) || version < 1 || version > configuration.version) {
    throw new DomainError(
      "INVALID_VALUE",
      `device ${state.deviceId} reported configuration version ${version}, but the newest is ${configuration.version}`,
    );
  }
  const { reported } = configuration;
  if (reported !== undefined && version < reported.version) return [];
  if (status === "applied") {
    if (reported?.version === version && reported.status === "APPLIED") return [];
    return [{ type: "ConfigurationApplied", data: { version } }];
  }
  const said = (error ?? "the device gave no reason").slice(0, MAX_ERROR_LENGTH);
  if (reported?.version === version && reported.status === "FAILED" && reported.error === said) return [];
  return [{ type: "ConfigurationFailed", data: { version, error: said } }];
}
