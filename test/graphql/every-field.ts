import type { GraphQLInputType, GraphQLOutputType, GraphQLSchema } from "graphql";
import {
  buildSchema,
  getNamedType,
  isEnumType,
  isInputObjectType,
  isLeafType,
  isListType,
  isNonNullType,
  isObjectType,
} from "graphql";
import { printFleetlogSchema } from "../../src/graphql/index.js";

export interface RootField {
  readonly operation: "query" | "mutation" | "subscription";
  readonly name: string;
  /** The smallest operation that asks for it; `ids` are given wherever an argument of that name is needed. */
  readonly text: (ids?: Readonly<Record<string, string>>) => string;
}

/** Every root field of the schema, as it is printed: a field that is added is in the tests by itself. */
export function rootFields(): readonly RootField[] {
  const schema: GraphQLSchema = buildSchema(printFleetlogSchema());
  const roots = [
    ["query", schema.getQueryType()],
    ["mutation", schema.getMutationType()],
    ["subscription", schema.getSubscriptionType()],
  ] as const;
  return roots.flatMap(([operation, type]) =>
    Object.values(type?.getFields() ?? {}).map((field) => ({
      operation,
      name: field.name,
      text: (ids: Readonly<Record<string, string>> = {}) => {
        const needed = field.args.filter(({ type, defaultValue }) => isNonNullType(type) && defaultValue === undefined);
        const args = needed.map(({ name, type }) => `${name}: ${literal(type, name, ids)}`).join(", ");
        return `${operation} { ${field.name}${args === "" ? "" : `(${args})`} ${selection(field.type)} }`;
      },
    })),
  );
}

/** A valid id of every kind: a UUID is a name, too. */
const ANY_ID = "00000000-0000-7000-8000-000000000000";

function literal(type: GraphQLInputType, name: string, ids: Readonly<Record<string, string>>): string {
  if (isNonNullType(type)) return literal(type.ofType, name, ids);
  if (isListType(type)) return `[${literal(type.ofType, name, ids)}]`;
  if (isInputObjectType(type)) {
    const needed = Object.values(type.getFields()).filter(
      (field) => isNonNullType(field.type) && field.defaultValue === undefined,
    );
    return `{ ${needed.map((field) => `${field.name}: ${literal(field.type, field.name, ids)}`).join(", ")} }`;
  }
  if (isEnumType(type)) return type.getValues()[0]?.name ?? "";
  const given = ids[name];
  if (given !== undefined) return JSON.stringify(given);
  switch (type.name) {
    case "ID":
      return JSON.stringify(ANY_ID);
    case "String":
      return '"x"';
    case "Boolean":
      return "true";
    case "JSONObject":
      return "{ a: 1 }";
    default:
      return "1";
  }
}

/** Scalars, and one level of things below, so that a leak would show. */
function selection(type: GraphQLOutputType, depth = 0): string {
  const named = getNamedType(type);
  if (isLeafType(named) || !isObjectType(named)) return "";
  const fields = Object.values(named.getFields()).flatMap((field) => {
    if (isLeafType(getNamedType(field.type))) return [field.name];
    const below = ["edges", "node", "device", "alert", "alertRule", "deviceType", "tenant", "credential", "rebuild"];
    return depth < 3 && below.includes(field.name) && field.args.length === 0
      ? [`${field.name} ${selection(field.type, depth + 1)}`]
      : [];
  });
  return `{ ${fields.join(" ")} }`;
}
