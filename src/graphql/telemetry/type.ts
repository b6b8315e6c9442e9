import "reflect-metadata";
import { Field, Float, ID, Int, ObjectType } from "type-graphql";
import { DateTime, Json, JsonObject } from "../scalars.js";
import type { Resolution } from "../../domain/tenant/index.js";
import { StoredResolution } from "../tenant/retention.js";
import type { MetricValue } from "../../ingest/index.js";

@ObjectType()
export class LatestMetric {
  @Field(() => String)
  readonly metric!: string;

  @Field(() => Json, { description: "A number, a text or a truth value." })
  readonly value!: MetricValue;

  @Field(() => DateTime, { description: "Device time." })
  readonly timestamp!: number;

  @Field(() => [String], { description: "What makes it doubtful; empty where nothing does." })
  readonly quality!: readonly string[];
}

@ObjectType({
  description: "A reading has a value; a bucket has mean, min, max and count, and its beginning as the timestamp.",
})
export class TelemetryPoint {
  @Field(() => DateTime, { description: "Device time." })
  readonly timestamp!: number;

  @Field(() => Json, { nullable: true })
  readonly value?: MetricValue;

  @Field(() => [String], { description: "What makes the value doubtful; empty where nothing does." })
  readonly quality!: readonly string[];

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

  @Field(() => Int, { nullable: true, description: "Seconds that a bucket is long; null for readings." })
  readonly resolution!: number | null;

  @Field(() => StoredResolution, {
    description: "Out of what the points are made; at the edges of the range, buckets may be made of finer ones.",
  })
  readonly source!: Resolution;

  @Field(() => Boolean, { description: "Whether there is more in the range than was asked for." })
  readonly truncated!: boolean;

  @Field(() => String, {
    nullable: true,
    description: "With `first`: ask for what comes after it by `after`. The same for all metrics of an answer.",
  })
  readonly endCursor!: string | null;
}

/** A reading as it comes over NATS to a subscriber. */
export interface LiveReading {
  readonly deviceId: string;
  readonly deviceType: string;
  readonly timestamp: number;
  readonly receivedAt: number;
  readonly values: Readonly<Record<string, MetricValue>>;
  readonly quality: Readonly<Record<string, readonly string[]>>;
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

  @Field(() => JsonObject, {
    description: "Why values are doubtful: a list of flags by metric; metrics without a flag are not in it.",
  })
  readonly quality!: Readonly<Record<string, readonly string[]>>;
}
