import "reflect-metadata";
import { Field, ID, InputType } from "type-graphql";
import type { RejectionQuery } from "../../ingest/index.js";
import { FleetlogError, errorTable } from "../../platform/errors.js";
import type { ErrorCode } from "../../platform/errors.js";
import { given } from "../given.js";
import { DateTime } from "../scalars.js";

@InputType({ description: "Rejections match every field given; times bound `at`." })
export class RejectionFilterInput {
  @Field(() => ID, { nullable: true })
  readonly deviceId?: string | null;

  @Field(() => String, { nullable: true })
  readonly door?: string | null;

  @Field(() => String, { nullable: true, description: "Of the error table." })
  readonly code?: string | null;

  @Field(() => DateTime, { nullable: true, description: "Included." })
  readonly from?: Date | null;

  @Field(() => DateTime, { nullable: true, description: "Not included." })
  readonly to?: Date | null;
}

@InputType({ description: "Which rejections: `ids`, or the oldest that match `filter`; an empty filter matches all." })
export class ReplayRejectionsInput {
  @Field(() => [ID], { nullable: true })
  readonly ids?: readonly string[] | null;

  @Field(() => RejectionFilterInput, { nullable: true })
  readonly filter?: RejectionFilterInput | null;

  @Field(() => DateTime, {
    nullable: true,
    description: "Leaves out what a replay has tried since: the time at which yours began, to work through many.",
  })
  readonly untriedSince?: Date | null;
}

const DOORS: ReadonlySet<string> = new Set(["mqtt", "http", "coap", "nats", "writer", "bridge", "reports"]);

/** Throws BAD_REQUEST for a door or a code that is none: an empty answer would look like good news. */
export function queryOf(filter: RejectionFilterInput | null | undefined): RejectionQuery {
  const { deviceId, door, code, from, to } = given(filter ?? {}) as {
    readonly [K in keyof RejectionFilterInput]?: NonNullable<RejectionFilterInput[K]>;
  };
  if (door !== undefined && !DOORS.has(door)) {
    throw new FleetlogError("BAD_REQUEST", `door is ${JSON.stringify(door)}: it is one of ${[...DOORS].join(", ")}`);
  }
  if (code !== undefined && !Object.hasOwn(errorTable, code)) {
    throw new FleetlogError("BAD_REQUEST", `code is ${JSON.stringify(code)}: the error table has no such code`);
  }
  return {
    ...(deviceId === undefined ? {} : { deviceId }),
    ...(door === undefined ? {} : { door: door as NonNullable<RejectionQuery["door"]> }),
    ...(code === undefined ? {} : { code: code as ErrorCode }),
    ...(from === undefined ? {} : { from: from.toISOString() }),
    ...(to === undefined ? {} : { to: to.toISOString() }),
  };
}
