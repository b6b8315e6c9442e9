import "reflect-metadata";
import { Field, ObjectType } from "type-graphql";

/** What every mutation's payload says. */
@ObjectType()
export class Payload {
  @Field(() => Boolean, {
    description:
      "True: queries show the change now. False: it is stored for good, but the read model did not show it within 5 s, and the thing here may still be as it was, or missing.",
  })
  readonly shown: boolean;

  constructor(shown: boolean) {
    this.shown = shown;
  }
}
