import { randomUUID } from "node:crypto";
import { setMaxListeners } from "node:events";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import type { ServerUnaryCall, sendUnaryData, serialize } from "@grpc/grpc-js";
import type { Logger } from "../../platform/logger.js";
import { append } from "./protocol/append.js";
import { batchAppend } from "./protocol/batch-append.js";
import { clusterOfOne, supportedMethods } from "./protocol/cluster.js";
import type { CallContext } from "./protocol/context.js";
import { deleteStream, tombstoneStream } from "./protocol/delete.js";
import { toProtocolError } from "./protocol/errors.js";
import type { Frames } from "./protocol/frames.js";
import { featuresService, gossipService, streamsService } from "./protocol/generated.js";
import { read } from "./protocol/read.js";
import { createAppender } from "./semantics/appender.js";
import { Commits } from "./semantics/commits.js";
import { openStore } from "./storage/store.js";
import type { Store } from "./storage/store.js";

export interface EventStoreOptions {
  /** The directory that holds the data; made if it is not there. One process at a time. */
  readonly path: string;
  /** 0, the default, takes any free one. */
  readonly port?: number;
  /** The address to listen on; the default, 127.0.0.1, is this machine only: there is no log-in. */
  readonly host?: string;
  readonly logger: Logger;
  /** The address space set aside for the data, bytes; growing beyond it interrupts everyone. Takes no disk. Default 64 GiB. */
  readonly mapSizeBytes?: number;
  /**
   * `before-answer`, the default: an append is answered when it is on the disk, and survives a power cut, as with EventStoreDB.
   * `after-answer`: when it is with the operating system; it survives the end of any process, `kill -9` included, while a power
   * cut can take the last moments (the file stays whole). Several times faster where flushing is slow.
   */
  readonly flush?: "before-answer" | "after-answer";
  /** Most bytes of data and metadata in one append. Default 1 MiB, EventStoreDB's own. */
  readonly maxAppendBytes?: number;
}

export interface EventStoreServer {
  /** For `EventStoreDBClient.connectionString`. */
  readonly url: string;
  readonly port: number;
  /** Refuses new calls, answers every append that it has, ends subscriptions with UNAVAILABLE, closes the files. Safe to call twice. */
  stop(): Promise<void>;
}

/** So large a message is still read, to be refused by what it is (an append that is too large) and not by its frame. */
const MAX_MESSAGE_BYTES = 17 * 1024 * 1024;
/** Calls that have not ended so long after `stop`, milliseconds, are cut. */
const STOP_GRACE_MS = 3_000;

/**
 * Starts a server that speaks EventStoreDB's gRPC protocol on a directory of this machine; README.md says how much of it.
 * Rejects with `DirectoryInUseError` or `StoreFormatError`, or if the port is taken.
 */
export async function startEventStore(options: EventStoreOptions): Promise<EventStoreServer> {
  const { path, logger, host = "127.0.0.1" } = options;
  const store = openStore(path, {
    mapSizeBytes: options.mapSizeBytes ?? 64 * 1024 ** 3,
    flush: options.flush ?? "before-answer",
  });
  try {
    const context = createContext(store, options, new AbortController());
    const server = new Server({
      "grpc.max_receive_message_length": MAX_MESSAGE_BYTES,
      "grpc.max_send_message_length": -1,
    });
    addServices(server, context);
    const port = await listen(server, host, options.port ?? 0);
    logger.info({ path, host, port, events: context.commits.last }, "the event store is listening");
    let stopped: Promise<void> | undefined;
    return { url: `esdb://${host}:${port}?tls=false`, port, stop: () => (stopped ??= stop(server, context)) };
  } catch (error) {
    await store.close();
    throw error;
  }
}

function createContext(
  store: Store,
  { logger, maxAppendBytes = 1024 * 1024 }: EventStoreOptions,
  stopping: AbortController,
): CallContext {
  setMaxListeners(0, stopping.signal); // one for each open call: many are no leak
  const commits = new Commits(store.lastPosition());
  return { store, commits, appender: createAppender(store, commits), logger, maxAppendBytes, stopping };
}

async function stop(server: Server, { stopping, appender, store, logger }: CallContext): Promise<void> {
  stopping.abort();
  await shutDown(server);
  await appender.drained();
  await store.close();
  logger.info("the event store has stopped");
}

function addServices(server: Server, context: CallContext): void {
  const instanceId = randomUUID();
  // These two write frames that they have encoded themselves (protocol/frames.ts).
  const asIs = ((frames: Frames) => frames) as unknown as serialize<unknown>;
  const service = {
    ...streamsService,
    read: { ...streamsService.read, responseSerialize: asIs },
    batchAppend: { ...streamsService.batchAppend, responseSerialize: asIs },
  };
  server.addService(service, {
    read: (call: Parameters<typeof read>[1]) => read(context, call),
    append: unary((call: Parameters<typeof append>[1]) => append(context, call)),
    batchAppend: (call: Parameters<typeof batchAppend>[1]) => batchAppend(context, call),
    delete: unary((call: Parameters<typeof deleteStream>[1]) => deleteStream(context, call)),
    tombstone: unary((call: Parameters<typeof tombstoneStream>[1]) => tombstoneStream(context, call)),
  });
  // Whatever else a client calls, @grpc/grpc-js answers UNIMPLEMENTED, naming the method.
  const features = supportedMethods();
  server.addService(featuresService, {
    getSupportedMethods: unary((_call: ServerUnaryCall<unknown, unknown>) => features),
  });
  server.addService(gossipService, {
    read: unary((call: ServerUnaryCall<unknown, unknown>) => clusterOfOne(instanceId, call.getHost())),
  });
}

/** A call with one answer, from what resolves to it. */
function unary<Call, Answer>(
  handler: (call: Call) => Answer | Promise<Answer>,
): (call: Call, callback: sendUnaryData<Answer>) => void {
  const answer = async (call: Call, callback: sendUnaryData<Answer>): Promise<void> => {
    let response: Answer;
    try {
      response = await handler(call);
    } catch (error) {
      callback(toProtocolError(error));
      return;
    }
    callback(null, response);
  };
  return (call, callback) => void answer(call, callback);
}

function listen(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(`${host}:${port}`, ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound);
      else reject(new Error(`The event store cannot listen on ${host}:${port}: ${error.message}`, { cause: error }));
    });
  });
}

async function shutDown(server: Server): Promise<void> {
  await new Promise<void>((resolve) => {
    const cut = setTimeout(() => {
      server.forceShutdown();
      resolve();
    }, STOP_GRACE_MS);
    server.tryShutdown(() => {
      clearTimeout(cut);
      resolve();
    });
  });
}
