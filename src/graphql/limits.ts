import type {
  DocumentNode,
  FieldNode,
  FragmentDefinitionNode,
  GraphQLField,
  GraphQLSchema,
  SelectionSetNode,
  ValueNode,
} from "graphql";
import { Kind, getNamedType, getOperationAST, isInterfaceType, isLeafType, isObjectType } from "graphql";
import { FleetlogError } from "../platform/errors.js";
import { MAX_PAGE } from "../projections/index.js";

/** Fields within fields, the root field counted as the first. */
export const MAX_DEPTH = 12;
/**
 * What one request may cost: an object 1, a scalar a tenth, a connection 10 and its edges times its `first`, a mutation 50, a look
 * into the history 50, and what asks an engine for each entry (`complexity` at its decorator) more. A page of 500 devices with all their scalars is well within it.
 */
export const MAX_COMPLEXITY = 5_000;
/** Words and signs in one document: a bound on what is parsed at all. */
export const MAX_TOKENS = 10_000;

const SCALAR_COST = 0.1;
/** A page is a query of its own. */
const CONNECTION_COST = 10;
/** Each waits for the event store and for the read model: some hundred in one request are enough. */
const MUTATION_COST = 50;
/** `asOf` reads a device's whole history up to then. */
const PAST_COST = 50;
/** The whole schema, as tools ask for it. graphql-js itself refuses introspection that goes in circles. */
const INTROSPECTION_COST = 100;
/** Points of a time series are cheap: so many cost as much as one object. */
const POINTS_PER_COST = 100;
/** Parts of a connection that are no things of their own. */
const PLUMBING = new Set(["edges", "node", "pageInfo"]);

interface Measure {
  readonly depth: number;
  readonly cost: number;
}

/** Throws QUERY_TOO_COMPLEX when the operation is deeper, or would cost more, than one request may. For documents that are valid. */
export function checkLimits(
  schema: GraphQLSchema,
  document: DocumentNode,
  operationName: string | null | undefined,
  variables: Readonly<Record<string, unknown>> | null | undefined,
): void {
  const { depth, cost } = measure(schema, document, operationName, variables);
  if (depth > MAX_DEPTH) {
    throw new FleetlogError(
      "QUERY_TOO_COMPLEX",
      `the query is ${depth} levels deep, and ${MAX_DEPTH} is the most: ask for what lies deeper in a second one`,
      { depth, most: MAX_DEPTH },
    );
  }
  if (cost > MAX_COMPLEXITY) {
    throw new FleetlogError(
      "QUERY_TOO_COMPLEX",
      `the query would cost ${cost}, and ${MAX_COMPLEXITY} is the most: ask for smaller pages or fewer fields`,
      { cost, most: MAX_COMPLEXITY },
    );
  }
}

/** Depth and cost in one walk; a fragment is walked once, however often it is spread. */
export function measure(
  schema: GraphQLSchema,
  document: DocumentNode,
  operationName: string | null | undefined,
  variables: Readonly<Record<string, unknown>> | null | undefined,
): Measure {
  const operation = getOperationAST(document, operationName);
  if (operation === null || operation === undefined) return { depth: 0, cost: 0 };
  const fragments = new Map<string, FragmentDefinitionNode>();
  for (const definition of document.definitions) {
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments.set(definition.name.value, definition);
  }
  const defaults = new Map(
    operation.variableDefinitions?.map(({ variable, defaultValue }) => [variable.name.value, defaultValue]),
  );
  const measured = new Map<string, Measure>();
  const NOTHING: Measure = { depth: 0, cost: 0 };

  /** `entries`: how many a connection gives, when these are the selections of one. */
  function ofSelections({ selections }: SelectionSetNode, typeName: string, entries: number): Measure {
    let depth = 0;
    let cost = 0;
    for (const selection of selections) {
      const one =
        selection.kind === Kind.FIELD
          ? ofField(selection, typeName, entries)
          : selection.kind === Kind.INLINE_FRAGMENT
            ? ofSelections(selection.selectionSet, selection.typeCondition?.name.value ?? typeName, entries)
            : ofFragment(selection.name.value, entries);
      depth = Math.max(depth, one.depth);
      cost += one.cost;
    }
    return { depth, cost };
  }

  function ofFragment(name: string, entries: number): Measure {
    const key = `${name} ${entries}`;
    const known = measured.get(key);
    if (known !== undefined) return known;
    const fragment = fragments.get(name);
    if (fragment === undefined) return NOTHING;
    // A circle is refused by validation; should one come here, it ends.
    measured.set(key, NOTHING);
    const found = ofSelections(fragment.selectionSet, fragment.typeCondition.name.value, entries);
    measured.set(key, found);
    return found;
  }

  function ofField(node: FieldNode, typeName: string, entries: number): Measure {
    const name = node.name.value;
    if (name === "__schema" || name === "__type") return { depth: 1, cost: INTROSPECTION_COST };
    const type = schema.getType(typeName);
    const field = isObjectType(type) || isInterfaceType(type) ? type.getFields()[name] : undefined;
    if (field === undefined) return { depth: 1, cost: SCALAR_COST };
    const named = getNamedType(field.type);
    // A page longer than the longest is PAGE_TOO_LARGE, which says it better: here it counts as the longest.
    const first = Math.min(Math.max(numberOf(field, node, "first") ?? 1, 1), MAX_PAGE);
    const limit = numberOf(field, node, "limit") ?? 0;
    const below = node.selectionSet === undefined ? NOTHING : ofSelections(node.selectionSet, named.name, first);
    const times = name === "edges" ? entries : 1;
    const past = node.arguments?.some((argument) => argument.name.value === "asOf") === true ? PAST_COST : 0;
    const cost = ownCost(field, typeName) + past + below.cost * times + Math.max(limit, 0) / POINTS_PER_COST;
    return { depth: 1 + below.depth, cost };
  }

  function numberOf(field: GraphQLField<unknown, unknown>, node: FieldNode, argument: string): number | undefined {
    const defined = field.args.find(({ name }) => name === argument);
    if (defined === undefined) return undefined;
    const given = node.arguments?.find(({ name }) => name.value === argument)?.value;
    const value = given === undefined ? undefined : valueOf(given);
    return typeof value === "number" ? value : Number(defined.defaultValue ?? 0);
  }

  function valueOf(value: ValueNode): unknown {
    if (value.kind === Kind.INT) return Number(value.value);
    if (value.kind !== Kind.VARIABLE) return undefined;
    const given = variables?.[value.name.value];
    if (given !== undefined) return given;
    const fallback = defaults.get(value.name.value);
    return fallback === undefined ? undefined : valueOf(fallback);
  }

  const root = schema.getRootType(operation.operation);
  if (root === null || root === undefined) return NOTHING;
  const { depth, cost } = ofSelections(operation.selectionSet, root.name, 1);
  return { depth, cost: Math.ceil(cost) };
}

/** What a field costs without what is asked of it. */
function ownCost(field: GraphQLField<unknown, unknown>, typeName: string): number {
  const { complexity } = field.extensions as { readonly complexity?: number };
  if (complexity !== undefined) return complexity;
  if (typeName === "Mutation") return MUTATION_COST;
  if (field.args.some(({ name }) => name === "first")) return CONNECTION_COST;
  if (isLeafType(getNamedType(field.type))) return SCALAR_COST;
  return PLUMBING.has(field.name) ? 0 : 1;
}
