import "reflect-metadata";
import { ArgsType, Field, Int, ObjectType, registerEnumType } from "type-graphql";
import type { ClassType } from "type-graphql";
import { MAX_PAGE } from "../projections/index.js";
import type { Page, PageRequest } from "../projections/index.js";
import { given } from "./given.js";

/** Entries of a page when nothing is said. */
const DEFAULT_PAGE = 50;

@ArgsType()
export class PageArgs {
  @Field(() => Int, { description: `Entries wanted, 1 to ${MAX_PAGE}.` })
  readonly first: number = DEFAULT_PAGE;

  @Field(() => String, { nullable: true, description: "The cursor after which the page begins." })
  readonly after?: string | null;
}

export const SortDirection = { ASC: "ASC", DESC: "DESC" } as const;
export type SortDirection = keyof typeof SortDirection;
registerEnumType(SortDirection, { name: "SortDirection" });

export function pageRequest(args: PageArgs, sort: PageRequest["sort"]): PageRequest {
  const { first, after } = given(args);
  return { first, ...(after === undefined ? {} : { after }), sort };
}

@ObjectType()
export class PageInfo {
  @Field(() => Boolean)
  readonly hasNextPage: boolean;

  @Field(() => Boolean)
  readonly hasPreviousPage: boolean;

  @Field(() => String, { nullable: true })
  readonly startCursor: string | null;

  @Field(() => String, { nullable: true, description: "Ask for what comes after it by `after`." })
  readonly endCursor: string | null;

  /** `endCursor`: where the next page begins, if that is not after the last entry. */
  constructor(page: {
    readonly hasNextPage: boolean;
    readonly cursors: readonly string[];
    readonly after: string | undefined;
    readonly endCursor?: string;
  }) {
    this.hasNextPage = page.hasNextPage;
    this.hasPreviousPage = page.after !== undefined;
    this.startCursor = page.cursors[0] ?? null;
    this.endCursor = page.endCursor ?? page.cursors.at(-1) ?? null;
  }
}

/** A Relay connection as resolvers give it. `totalCount` runs only when it is selected. */
export interface Connection<T> {
  readonly edges: readonly { readonly cursor: string; readonly node: T }[];
  readonly pageInfo: PageInfo;
  readonly count: () => Promise<number>;
}

/** `count` counts all entries that the filter takes, whatever page is asked for. */
export function connectionOf<T>(page: Page<T>, args: PageArgs, count: () => Promise<number>): Connection<T> {
  const { after } = given(args);
  const cursors = page.items.map(({ cursor }) => cursor);
  return {
    edges: page.items.map(({ cursor, document }) => ({ cursor, node: document })),
    pageInfo: new PageInfo({ hasNextPage: page.hasNextPage, cursors, after }),
    count,
  };
}

/** The object types `{Name}Connection` and `{Name}Edge` for a node type. Call it once for each. */
export function connectionType(name: string, nodeType: ClassType): ClassType {
  @ObjectType(`${name}Edge`)
  class Edge {
    @Field(() => String)
    readonly cursor: string = "";

    @Field(() => nodeType)
    readonly node: object = {};
  }

  @ObjectType(`${name}Connection`)
  class ConnectionType {
    @Field(() => [Edge])
    readonly edges: readonly Edge[] = [];

    @Field(() => PageInfo)
    readonly pageInfo: PageInfo | undefined;

    readonly count: () => Promise<number> = () => Promise.resolve(0);

    /** A query of its own: asked only when it is selected. */
    @Field(() => Int, { complexity: 10, description: "All entries that the filter takes. Costs a count of its own." })
    totalCount(): Promise<number> {
      return this.count();
    }
  }

  return ConnectionType;
}
