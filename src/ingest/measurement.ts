/**
 * What a codec makes of a payload: the reading sets in it as the device wrote them. Nothing in here is believed yet:
 * the pipeline checks the time, the names and the values, and says of each refusal where in the payload it stands.
 */
export interface Measurement {
  /** The device's own time as the payload has it, meant to be whole ms since 1970; `undefined`: stamped on arrival. */
  readonly timestamp?: unknown;
  /** By metric name. */
  readonly values: Readonly<Record<string, unknown>>;
  /** By metric name, in UCUM: where the payload says in which unit a value is. Others are in the device type's unit. */
  readonly units?: Readonly<Record<string, string>>;
  /** Where the reading set and its values stand, for messages: `readings[3]`, `readings[3].values`; empty for the payload itself. */
  readonly path: string;
  readonly valuesPath: string;
}
