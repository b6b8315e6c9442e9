import "reflect-metadata";
import { Field, Float, ID, Int, ObjectType } from "type-graphql";
import { DateTime, Json, JsonObject } from "../scalars.js";
import type { MetricValue } from "../../ingest/index.js";

@ObjectType()
export class LatestMetric {
  @Field(() => String)
  readonly metric!: string;

  @Field(() => Json, { description: "A number, a text or a truth value." })
  readonly value!: MetricValue;

  @Field(() => DateTime, { description: "Device time." })
  readonly timestamp!: number;
}

@ObjectType({
  description: "A reading has a value; a bucket has mean, min, max and count, and its beginning as the timestamp.",
})
export class TelemetryPoint {
  @Field(() => DateTime, { description: "Device time." })
  readonly timestamp!: number;

  @Field(() => Json, { nullable: true })
  readonly value?: MetricValue;

  @Field(() => Float, { nullable: true })
  readonly mean?: number;

  @Field(() => Float, { nullable: true })
  readonly min?: number;

  @Field(() => Float, { nullable: true })
  readonly max?: number;

  @Field(() => Int, { nullable: true })
  readonly count?: number;
}

@ObjectType()
export class TelemetrySeries {
  @Field(() => String)
  readonly metric!: string;

  @Field(() => [TelemetryPoint], { description: "Oldest first." })
  readonly points!: readonly TelemetryPoint[];
}

/** A reading as it comes over NATS to a subscriber. */
export interface LiveReading {
  readonly deviceId: string;
  readonly deviceType: string;
  readonly timestamp: number;
  readonly receivedAt: number;
  readonly values: Readonly<Record<string, MetricValue>>;
}

@ObjectType({ description: "A reading, once it is stored." })
export class TelemetryReading {
  @Field(() => ID)
  readonly deviceId!: string;

  @Field(() => String)
  readonly deviceType!: string;

  @Field(() => DateTime, { description: "Device time." })
  readonly timestamp!: number;

  @Field(() => DateTime)
  readonly receivedAt!: number;

  @Field(() => JsonObject, { description: "The values by metric." })
  readonly values!: Readonly<Record<string, MetricValue>>;
}
