import type { Db } from "mongodb";
import { createAlertQueries } from "./alert/queries.js";
import type { AlertQueries } from "./alert/queries.js";
import { createAlertRuleQueries } from "./alert-rule/queries.js";
import type { AlertRuleQueries } from "./alert-rule/queries.js";
import { createDeviceQueries } from "./device/queries.js";
import type { DeviceQueries } from "./device/queries.js";
import { createDeviceTypeQueries } from "./device-type/queries.js";
import type { DeviceTypeQueries } from "./device-type/queries.js";
import { createGenerations } from "./generations.js";
import { createTenantQueries } from "./tenant/queries.js";
import type { TenantQueries } from "./tenant/queries.js";

/** Everything that can be asked of the read models. */
export interface ReadModels {
  readonly tenants: TenantQueries;
  readonly deviceTypes: DeviceTypeQueries;
  readonly devices: DeviceQueries;
  readonly alertRules: AlertRuleQueries;
  readonly alerts: AlertQueries;
}

export function createReadModels(db: Db): ReadModels {
  const generations = createGenerations(db);
  return {
    tenants: createTenantQueries(generations),
    deviceTypes: createDeviceTypeQueries(generations),
    devices: createDeviceQueries(generations),
    alertRules: createAlertRuleQueries(generations),
    alerts: createAlertQueries(generations),
  };
}
