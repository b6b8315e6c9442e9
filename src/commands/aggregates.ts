import { alertDecider } from "../domain/alert/index.js";
import type { AlertCommand } from "../domain/alert/index.js";
import { alertRuleDecider } from "../domain/alert-rule/index.js";
import type { AlertRuleCommand } from "../domain/alert-rule/index.js";
import type { Decider } from "../domain/decider.js";
import { deviceDecider } from "../domain/device/index.js";
import type { DeviceCommand } from "../domain/device/index.js";
import { deviceTypeDecider } from "../domain/device-type/index.js";
import type { DeviceTypeCommand } from "../domain/device-type/index.js";
import { tenantDecider } from "../domain/tenant/index.js";
import type { TenantCommand } from "../domain/tenant/index.js";
import type { Category, FleetlogEvent } from "../events/index.js";

export interface CommandsByCategory {
  readonly tenant: TenantCommand;
  readonly deviceType: DeviceTypeCommand;
  readonly device: DeviceCommand;
  readonly alertRule: AlertRuleCommand;
  readonly alert: AlertCommand;
}

export type AnyCommand = CommandsByCategory[Category];

/** A decider whose state only it knows: what the handler needs, which folds and asks and never looks inside. */
export type OpaqueDecider = Decider<unknown, AnyCommand, FleetlogEvent>;

// Method parameters are bivariant, so a decider of narrower commands fits: `CommandsByCategory` holds callers to the right ones.
export const deciders: Readonly<Record<Category, OpaqueDecider>> = {
  tenant: tenantDecider,
  deviceType: deviceTypeDecider,
  device: deviceDecider,
  alertRule: alertRuleDecider,
  alert: alertDecider,
};
