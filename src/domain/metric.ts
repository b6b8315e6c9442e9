/** A metric's name is a field of the time-series store and a word in rules: no character that either would have to escape. */
const METRIC_NAME = /^[A-Za-z_][A-Za-z0-9_.-]{0,63}$/;

export const METRIC_NAME_RULE =
  'a metric name has 1 to 64 of the letters A-Z a-z, digits, "_", "." and "-", begins with a letter or "_", and is not "time"';

export function isMetricName(name: string): boolean {
  // InfluxDB keeps "time" for the timestamp column and refuses it as a field key.
  return METRIC_NAME.test(name) && name !== "time";
}
