import "reflect-metadata";
import { Field, ID, InputType } from "type-graphql";

/** What every mutation's input may say. */
@InputType()
export class CommandInput {
  @Field(() => ID, {
    nullable: true,
    description:
      "A UUID of yours. Sent again with the same id, the mutation gives its first outcome and changes nothing.",
  })
  readonly commandId?: string | null;
}
