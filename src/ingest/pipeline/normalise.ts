/**
 * From raw values to the device type's: first what is known to be wrong with this device's sensor (calibration, in the
 * unit that the device writes), then the unit. Everything after it, the type's `min` and `max` first, sees the result.
 */
import type { Calibration } from "../../domain/device/index.js";
import type { DeviceAccess } from "../registry/device-access.js";
import type { Measurement } from "../measurement.js";
import { refusal } from "./refusal.js";
import type { Refusal } from "./refusal.js";
import { tidy } from "./units/convert.js";
import type { Conversions } from "./units/convert.js";

type Values = Measurement["values"];

/** What is no number is left as it is: whether it may be none, the next stage says. The same values come back where nothing is to be done. */
export function normalise(
  { calibration, type }: DeviceAccess,
  { values, units, valuesPath }: Measurement,
  conversions: Conversions,
): { readonly values: Values } | Refusal {
  const calibrated = calibration === undefined ? values : calibrate(values, calibration);
  if (units === undefined) return { values: calibrated };
  let converted: Record<string, unknown> | undefined;
  for (const [metric, unit] of Object.entries(units)) {
    const value = Object.hasOwn(calibrated, metric) ? calibrated[metric] : undefined;
    const wanted = type.metrics?.get(metric)?.unit;
    // Where the type names no unit, there is none to convert to.
    if (typeof value !== "number" || wanted === undefined) continue;
    const conversion = conversions(unit, wanted);
    if (!conversion.ok) {
      const place = valuesPath === "" ? metric : `${valuesPath}.${metric}`;
      return refusal("INVALID_VALUE", `${place}: ${conversion.why}`);
    }
    const result = conversion.convert(value);
    if (result !== value) (converted ??= { ...calibrated })[metric] = result;
  }
  return { values: converted ?? calibrated };
}

function calibrate(values: Values, calibration: Readonly<Record<string, Calibration>>): Values {
  let calibrated: Record<string, unknown> | undefined;
  for (const [metric, { scale = 1, offset = 0 }] of Object.entries(calibration)) {
    const raw = Object.hasOwn(values, metric) ? values[metric] : undefined;
    if (typeof raw === "number") (calibrated ??= { ...values })[metric] = tidy(raw * scale + offset);
  }
  return calibrated ?? values;
}
