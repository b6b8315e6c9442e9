import { DomainError } from "../error.js";
import { sameJson } from "../json.js";
import { isMetricName, METRIC_NAME_RULE } from "../metric.js";
import type { SetCalibration } from "./commands.js";
import type { DeviceEvent } from "./events.js";
import type { RegisteredDevice } from "./state.js";

/** As many as a device type may have metrics. */
const MAX_CALIBRATED_METRICS = 256;

export function decideCalibration(command: SetCalibration, state: RegisteredDevice): readonly DeviceEvent[] {
  const { calibration } = command.data;
  const entries = Object.entries(calibration);
  if (entries.length > MAX_CALIBRATED_METRICS) {
    throw new DomainError(
      "LIMIT_EXCEEDED",
      `a calibration speaks of at most ${MAX_CALIBRATED_METRICS} metrics, not ${entries.length}`,
    );
  }
  for (const [metric, { offset = 0, scale = 1 }] of entries) {
    // It becomes a key of a document, where this one would not be kept.
    if (!isMetricName(metric) || metric === "__proto__") {
      throw new DomainError("INVALID_VALUE", `metric ${JSON.stringify(metric.slice(0, 80))}: ${METRIC_NAME_RULE}`);
    }
    if (!Number.isFinite(offset) || !Number.isFinite(scale)) {
      throw new DomainError("INVALID_VALUE", `the calibration of ${metric}: offset and scale are finite numbers`);
    }
    if (scale === 0) {
      throw new DomainError(
        "INVALID_VALUE",
        `the calibration of ${metric}: a scale of 0 would make every value the same`,
      );
    }
  }
  return sameJson(calibration, state.calibration) ? [] : [{ type: "CalibrationChanged", data: { calibration } }];
}
