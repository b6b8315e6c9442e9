import { alertProjection } from "./alert/projection.js";
import { alertRuleProjection } from "./alert-rule/projection.js";
import { deviceProjection } from "./device/projection.js";
import { deviceTypeProjection } from "./device-type/projection.js";
import type { Projection } from "./projection.js";
import { tenantProjection } from "./tenant/projection.js";

/** Every read model that the projector keeps. */
export const projections: readonly Projection[] = [
  tenantProjection,
  deviceTypeProjection,
  deviceProjection,
  alertRuleProjection,
  alertProjection,
];
