import "reflect-metadata";
import { Field, ID, Int, ObjectType, registerEnumType } from "type-graphql";
import type { CountBy, RejectionDocument, ReplayOutcome as Outcome, ReplayResult } from "../../ingest/index.js";
import { connectionType } from "../connection.js";
import { DateTime } from "../scalars.js";

export const ReplayOutcome = {
  STORED: "STORED",
  REFUSED: "REFUSED",
  ALREADY_STORED: "ALREADY_STORED",
  NOT_REPLAYABLE: "NOT_REPLAYABLE",
  NOT_FOUND: "NOT_FOUND",
  UNAVAILABLE: "UNAVAILABLE",
} as const satisfies { readonly [O in Outcome]: O };
registerEnumType(ReplayOutcome, {
  name: "ReplayOutcome",
  valuesConfig: {
    STORED: { description: "Taken in, as if it had just come when it first did." },
    REFUSED: { description: "Refused again, for the reason given. It may be tried again." },
    ALREADY_STORED: { description: "An earlier replay stored it: nothing was done now." },
    NOT_REPLAYABLE: { description: "The ledger does not have all of it, or it never was a device's message." },
    NOT_FOUND: { description: "Not in the ledger of your tenant (any more)." },
    UNAVAILABLE: { description: "An engine did not answer: try again." },
  },
});

/** The field of a count that each value stands for. */
export const countFields = { CODE: "code", DOOR: "door", DEVICE: "deviceId" } as const satisfies Readonly<
  Record<string, CountBy>
>;
export const RejectionCountBy = { CODE: "CODE", DOOR: "DOOR", DEVICE: "DEVICE" } as const;
export type RejectionCountBy = keyof typeof RejectionCountBy;
registerEnumType(RejectionCountBy, { name: "RejectionCountBy" });

@ObjectType({ description: "What the last replay of a rejection came to." })
export class RejectionReplay {
  @Field(() => ReplayOutcome, { description: "STORED or REFUSED." })
  readonly outcome!: Outcome;

  @Field(() => DateTime)
  readonly at!: string;

  @Field(() => String)
  readonly by!: string;

  @Field(() => String, { nullable: true, description: "Of the new refusal." })
  readonly code?: string;

  @Field(() => String, { nullable: true })
  readonly reason?: string;
}

@ObjectType({ description: "A message that was refused, and kept." })
export class Rejection {
  @Field(() => ID)
  readonly rejectionId!: string;

  @Field(() => ID, { description: "As the message named it; there need not be such a device." })
  readonly deviceId!: string;

  @Field(() => DateTime, { description: "When it came in." })
  readonly at!: string;

  @Field(() => String, { description: "Where it came in: `mqtt`, `http`, `writer` for what InfluxDB refused, …" })
  readonly door!: string;

  @Field(() => String, { description: "Of the error table." })
  readonly code!: string;

  @Field(() => String)
  readonly reason!: string;

  @Field(() => String, { description: "The MQTT topic, the HTTP path or the NATS subject." })
  readonly topic!: string;

  @Field(() => String, { description: "Whole up to 32 KiB, else its first 4 KiB." })
  readonly payload!: string;

  @Field(() => String, { description: "How `payload` is written here: `utf8` or `base64`." })
  readonly encoding!: string;

  @Field(() => Int, { description: "Of the whole payload." })
  readonly bytes!: number;

  @Field(() => String, { nullable: true, description: "The line that InfluxDB refused." })
  readonly line?: string;

  @Field(() => Boolean, { description: "Whether all of it is there to be taken in again." })
  readonly replayable!: boolean;

  @Field(() => RejectionReplay, { nullable: true })
  readonly replayed?: RejectionReplay;
}

export const RejectionConnection = connectionType("Rejection", Rejection);

export function rejectionOf(document: RejectionDocument): Rejection {
  return { ...document, replayable: document.form !== undefined };
}

@ObjectType()
export class RejectionCount {
  @Field(() => String, { description: "The code, the door or the device." })
  readonly key!: string;

  @Field(() => Int, { description: "All that were refused, also those that are not kept." })
  readonly count!: number;
}

@ObjectType()
export class ReplayedRejection {
  @Field(() => ID)
  readonly rejectionId!: string;

  @Field(() => ReplayOutcome)
  readonly outcome!: Outcome;

  @Field(() => String, { nullable: true })
  readonly code?: string;

  @Field(() => String, { nullable: true })
  readonly reason?: string;
}

@ObjectType()
export class ReplayRejectionsPayload {
  @Field(() => [ReplayedRejection], {
    description: "One for each that was tried, oldest first; by ids, in their order.",
  })
  readonly results!: readonly ReplayResult[];

  @Field(() => Boolean, { description: "Others match that were not tried: ask again, with the same `untriedSince`." })
  readonly more!: boolean;
}
