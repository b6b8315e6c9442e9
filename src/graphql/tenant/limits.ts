import "reflect-metadata";
import { Field, Float, ID, InputType, Int, ObjectType } from "type-graphql";
import type {
  Limits as DomainLimits,
  RateLimit as DomainRate,
  TenantLimits as All,
} from "../../domain/tenant/index.js";
import { CommandInput } from "../command-input.js";
import { given } from "../given.js";

// What is given and what is shown have one form, said twice because GraphQL keeps inputs and outputs apart.

const PER_SECOND = "In the long run.";
const BURST = "At once, after a quiet time.";
const OF_TENANT = "Of all the tenant's devices together.";
const OF_DEVICE = "Of each of its devices.";
const LIMITS = "Where a limit is not given, the platform's default holds.";

@InputType()
export class RateLimitInput {
  @Field(() => Float, { description: PER_SECOND })
  readonly perSecond!: number;

  @Field(() => Float, { description: BURST })
  readonly burst!: number;
}

@InputType({ description: LIMITS })
export class LimitsInput {
  @Field(() => RateLimitInput, { nullable: true })
  readonly messages?: RateLimitInput | null;

  @Field(() => RateLimitInput, { nullable: true })
  readonly bytes?: RateLimitInput | null;

  @Field(() => Int, { nullable: true })
  readonly connections?: number | null;
}

@InputType({ description: LIMITS })
export class TenantLimitsInput {
  @Field(() => LimitsInput, { nullable: true, description: OF_TENANT })
  readonly tenant?: LimitsInput | null;

  @Field(() => LimitsInput, { nullable: true, description: OF_DEVICE })
  readonly device?: LimitsInput | null;
}

@InputType()
export class SetTenantLimitsInput extends CommandInput {
  @Field(() => ID)
  readonly tenantId!: string;

  @Field(() => TenantLimitsInput, { description: "All limits: what is left out goes back to the platform's default." })
  readonly limits!: TenantLimitsInput;
}

@ObjectType({ description: "So many a second in the long run, and so many at once after a quiet time." })
export class RateLimit {
  @Field(() => Float, { description: PER_SECOND })
  readonly perSecond!: number;

  @Field(() => Float, { description: BURST })
  readonly burst!: number;
}

@ObjectType({ description: LIMITS })
export class Limits {
  @Field(() => RateLimit, { nullable: true })
  readonly messages?: DomainRate;

  @Field(() => RateLimit, { nullable: true })
  readonly bytes?: DomainRate;

  @Field(() => Int, { nullable: true })
  readonly connections?: number;
}

@ObjectType({ description: LIMITS })
export class TenantLimits {
  @Field(() => Limits, { nullable: true, description: OF_TENANT })
  readonly tenant?: DomainLimits;

  @Field(() => Limits, { nullable: true, description: OF_DEVICE })
  readonly device?: DomainLimits;
}

/** As the domain has them: what says nothing is not there. */
export function limitsOf(input: TenantLimitsInput): All {
  const { tenant, device } = given(input);
  return {
    ...(tenant === undefined ? {} : { tenant: scopeOf(tenant) }),
    ...(device === undefined ? {} : { device: scopeOf(device) }),
  };
}

function scopeOf(input: LimitsInput): DomainLimits {
  const { messages, bytes, connections } = given(input);
  return {
    ...(messages === undefined ? {} : { messages: given(messages) }),
    ...(bytes === undefined ? {} : { bytes: given(bytes) }),
    ...(connections === undefined ? {} : { connections }),
  };
}
