/**
 * A database whose operations end. The driver has no time limit for an operation, and one whose server is killed, or stands
 * still, at the wrong moment never settles. Here each has a deadline, and while the server is away a circuit breaker refuses
 * the rest at once. The operation itself may still be carried out after its deadline: callers must be able to repeat it.
 */
import type { Collection, Db } from "mongodb";
import { FleetlogError } from "../platform/errors.js";
import type { CircuitBreaker } from "../platform/circuit-breaker.js";

export interface BoundedDbOptions {
  readonly breaker: CircuitBreaker;
  /** Of one operation, or of one batch of a cursor, ms. */
  readonly answerWithinMs: number;
  /** Of what may have to walk a whole collection: building and dropping. */
  readonly buildWithinMs: number;
}

type Method = (...given: unknown[]) => unknown;

const BUILDING: ReadonlySet<string> = new Set(["createIndex", "createIndexes", "drop", "dropCollection", "rename"]);
/** They give a cursor, at once; it is the cursor that asks. */
const CURSORS: ReadonlySet<string> = new Set(["find", "aggregate", "listCollections", "listIndexes"]);

export function boundDb(db: Db, options: BoundedDbOptions): Db {
  return bounded(db, options, (name, value) => (name === "collection" ? collectionOf(value, db, options) : undefined));
}

function collectionOf(method: Method, db: Db, options: BoundedDbOptions): Method {
  return (...given) => bounded(method.apply(db, given) as Collection, options, () => undefined);
}

/** The same object, but that what it promises is promised within a time. `special` may put another method in a method's place. */
function bounded<T extends object>(
  target: T,
  options: BoundedDbOptions,
  special: (name: string, method: Method) => Method | undefined,
): T {
  const made = new Map<string, Method>();
  return new Proxy(target, {
    get(object, key) {
      const value: unknown = Reflect.get(object, key, object);
      if (typeof value !== "function" || typeof key !== "string") return boundIterator(object, key, value, options);
      const earlier = made.get(key);
      if (earlier !== undefined) return earlier;
      const method = value as Method;
      const ours = special(key, method) ?? timed(object, key, method, options);
      made.set(key, ours);
      return ours;
    },
  });
}

function timed(object: object, name: string, method: Method, options: BoundedDbOptions): Method {
  const withinMs = BUILDING.has(name) ? options.buildWithinMs : options.answerWithinMs;
  return (...given) => {
    if (CURSORS.has(name)) return bounded(method.apply(object, given) as object, options, () => undefined);
    let outcome: unknown;
    const begin = (): unknown => (outcome = method.apply(object, given));
    // What is no promise (a cursor's sort, a name) is given as it is, and given as ours where it is the same object.
    if (!isAsync(name)) {
      begin();
      return outcome === object ? bounded(object, options, () => undefined) : outcome;
    }
    return options.breaker.run(() => within(begin() as Promise<unknown>, withinMs, name));
  };
}

/** `for await` over a cursor: each step has the deadline. */
function boundIterator(object: object, key: string | symbol, value: unknown, options: BoundedDbOptions): unknown {
  if (key !== Symbol.asyncIterator || typeof value !== "function") {
    return typeof value === "function" ? (value as Method).bind(object) : value;
  }
  return (): AsyncIterator<unknown> => {
    const iterator = (value as () => AsyncIterator<unknown>).call(object);
    return {
      next: () => options.breaker.run(() => within(iterator.next(), options.answerWithinMs, "reading a cursor")),
      return: async () => (await iterator.return?.()) ?? { done: true, value: undefined },
    };
  };
}

/** The operations of databases, collections and cursors that the platform uses. */
const ASYNC: ReadonlySet<string> = new Set([
  ...BUILDING,
  "bulkWrite",
  "command",
  "countDocuments",
  "deleteMany",
  "deleteOne",
  "distinct",
  "estimatedDocumentCount",
  "findOne",
  "findOneAndDelete",
  "findOneAndReplace",
  "findOneAndUpdate",
  "hasNext",
  "insertMany",
  "insertOne",
  "next",
  "replaceOne",
  "toArray",
  "tryNext",
  "updateMany",
  "updateOne",
]);

function isAsync(name: string): boolean {
  return ASYNC.has(name);
}

async function within<T>(work: Promise<T>, ms: number, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () => reject(new FleetlogError("UNAVAILABLE", `the document store did not answer within ${ms} ms (${what})`)),
      ms,
    );
  });
  try {
    return await Promise.race([work, tooLate]);
  } finally {
    clearTimeout(timer);
    // Its failure, if it comes too late, has been told already.
    work.catch(() => undefined);
  }
}
