/** The scalars of the schema that GraphQL does not bring. */
import { GraphQLDateTime, GraphQLJSON, GraphQLJSONObject } from "graphql-scalars";

/** ISO 8601 with a zone; in the code a Date on its way in, a Date or an ISO string on its way out. */
export const DateTime = GraphQLDateTime;
export const Json = GraphQLJSON;
export const JsonObject = GraphQLJSONObject;
