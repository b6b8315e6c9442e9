/** From a command's name to its answer. */
import { encodeDocument } from "../semantics/bson.js";
import { CommandError } from "../semantics/errors.js";
import { asCommandError } from "../semantics/expression.js";
import { aggregate } from "./aggregate.js";
import { checkConcerns, checkFields, refuseTransactions } from "./arguments.js";
import { CommitError } from "../storage/store.js";
import { create, drop, dropDatabase, listCollections, listDatabases, renameCollection } from "./collections.js";
import type { Command, CommandContext, Reply, Request } from "./command.js";
import { explain } from "./explain.js";
import { findAndModify } from "./find-and-modify.js";
import { count, distinct, find, getMore, killCursors } from "./find.js";
import { createIndexes, dropIndexes, listIndexes } from "./indexes.js";
import * as session from "./session.js";
import { deleteCommand, insert, update } from "./write.js";

const commands: ReadonlyMap<string, Command> = new Map<string, Command>([
  ["aggregate", aggregate],
  ["abortTransaction", session.endTransaction],
  ["buildInfo", session.buildInfo],
  ["buildinfo", session.buildInfo],
  ["commitTransaction", session.endTransaction],
  ["connectionStatus", session.connectionStatus],
  ["count", count],
  ["create", create],
  ["createIndexes", createIndexes],
  ["delete", deleteCommand],
  ["deleteIndexes", dropIndexes],
  ["distinct", distinct],
  ["drop", drop],
  ["dropDatabase", dropDatabase],
  ["dropIndexes", dropIndexes],
  ["endSessions", session.endSessions],
  ["explain", explain],
  ["find", find],
  ["findAndModify", findAndModify],
  ["findandmodify", findAndModify],
  ["getMore", getMore],
  ["getParameter", session.getParameter],
  ["hello", session.hello],
  ["insert", insert],
  ["isMaster", session.hello],
  ["ismaster", session.hello],
  ["killCursors", killCursors],
  ["killSessions", session.killSessions],
  ["listCollections", listCollections],
  ["listDatabases", listDatabases],
  ["listIndexes", listIndexes],
  ["ping", session.ping],
  ["refreshSessions", session.refreshSessions],
  ["renameCollection", renameCollection],
  ["startSession", session.startSession],
  ["update", update],
]);

/** Always a reply: what fails is answered with the server's error document. */
export async function runCommand(context: CommandContext, request: Request): Promise<Reply> {
  try {
    const command = commands.get(request.name);
    if (command === undefined) throw new CommandError(59, `no such command: '${request.name}'`);
    if (command !== session.endTransaction) refuseTransactions(request.body);
    if (command.fields !== "any") checkFields(request.name, request.body, command.fields);
    checkConcerns(request.body);
    return await command.run(context, request);
  } catch (error) {
    return errorReply(context, request.name, error);
  }
}

function errorReply({ logger }: CommandContext, command: string, error: unknown): Reply {
  const refused = known(error);
  if (refused === undefined) {
    logger.error({ command, err: error }, "a command failed inside the document store");
    const message = error instanceof Error ? error.message : String(error);
    return encodeDocument({
      ok: 0,
      errmsg: `the document store failed: ${message}`,
      code: 1,
      codeName: "InternalError",
    });
  }
  return encodeDocument({
    ok: 0,
    errmsg: refused.message,
    code: refused.code,
    codeName: refused.codeName,
    ...refused.details,
  });
}

function known(error: unknown): CommandError | undefined {
  if (error instanceof CommandError) return error;
  if (!(error instanceof Error)) return undefined;
  if (error.name.startsWith("BSON")) return asCommandError(error);
  if (error instanceof CommitError || /MDB_MAP_FULL|No space left/.test(error.message)) {
    return new CommandError(14031, `${error.message}: is the document store's disk full?`);
  }
  return undefined;
}
