import "reflect-metadata";
import { Field, ID, InputType, ObjectType, registerEnumType } from "type-graphql";
import type { UserRole as Role } from "../../commands/index.js";
import type { TenantDocument } from "../../projections/index.js";
import { CommandInput } from "../command-input.js";
import { Payload } from "../payload.js";
import { DateTime } from "../scalars.js";

export const UserRole = {
  ADMIN: "ADMIN",
  OPERATOR: "OPERATOR",
  VIEWER: "VIEWER",
  AUDITOR: "AUDITOR",
} as const satisfies { readonly [R in Role]: R };
registerEnumType(UserRole, {
  name: "UserRole",
  description:
    "ADMIN: everything in the tenant. OPERATOR: daily work. VIEWER: look. AUDITOR: look, at the history too.",
});

@ObjectType({ description: "An organization on this platform; nobody sees another's." })
export class Tenant {
  @Field(() => ID)
  readonly tenantId!: string;

  @Field(() => String)
  readonly name!: string;

  @Field(() => DateTime)
  readonly createdAt!: string;
}

@ObjectType({ description: "Whom your token speaks for." })
export class Me {
  @Field(() => String)
  readonly subject!: string;

  @Field(() => UserRole)
  readonly role!: Role;

  @Field(() => DateTime)
  readonly expiresAt!: number;
}

@InputType()
export class CreateTenantInput extends CommandInput {
  @Field(() => ID)
  readonly tenantId!: string;

  @Field(() => String)
  readonly name!: string;
}

@ObjectType()
export class TenantPayload extends Payload {
  @Field(() => Tenant, { nullable: true })
  readonly tenant: TenantDocument | undefined;

  constructor(tenant: TenantDocument | undefined, shown: boolean) {
    super(shown);
    this.tenant = tenant;
  }
}
