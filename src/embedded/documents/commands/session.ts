/** What a driver asks before and beside its work: hello, ping, buildInfo, sessions. */
import { maxDocumentBytes } from "../semantics/bson.js";
import { CommandError } from "../semantics/errors.js";
import { ok } from "./command.js";
import type { Command } from "./command.js";
import { maxWriteBatchSize } from "./write.js";

/** The largest message that is taken, bytes. */
export const maxMessageBytes = 48_000_000;

/** The newest server whose behaviour this one follows: 7.0. */
const version = "7.0.0";
const maxWireVersion = 21;

export const hello: Command = {
  // Drivers announce here what they can do; what a server does not know it leaves unanswered.
  fields: "any",
  run({ connectionId }, { name }) {
    return ok({
      ...(name === "hello" ? { isWritablePrimary: true } : { ismaster: true, helloOk: true }),
      maxBsonObjectSize: maxDocumentBytes,
      maxMessageSizeBytes: maxMessageBytes,
      maxWriteBatchSize,
      localTime: new Date(),
      logicalSessionTimeoutMinutes: 30,
      connectionId,
      minWireVersion: 0,
      maxWireVersion,
      readOnly: false,
    });
  },
};

const answered: Command = { fields: new Set(), run: () => ok() };

export const ping = answered;

export const buildInfo: Command = {
  fields: new Set(),
  run: () =>
    ok({
      version,
      gitVersion: "fleetlog embedded document store",
      modules: [],
      versionArray: [7, 0, 0, 0],
      bits: 64,
      debug: false,
      maxBsonObjectSize: maxDocumentBytes,
      storageEngines: ["lmdb"],
    }),
};

export const getParameter: Command = {
  fields: new Set(["featureCompatibilityVersion", "allParameters"]),
  run: (_context, { body }) => {
    if ("featureCompatibilityVersion" in body) return ok({ featureCompatibilityVersion: { version: "7.0" } });
    throw new CommandError(72, "no option found to get: this store has only featureCompatibilityVersion");
  },
};

export const connectionStatus: Command = {
  fields: new Set(["showPrivileges"]),
  run: () => ok({ authInfo: { authenticatedUsers: [], authenticatedUserRoles: [] } }),
};

/** Sessions hold nothing here: there is nothing to start, refresh or end. */
export const endSessions = answered;
export const refreshSessions = answered;
export const startSession = answered;
export const killSessions = answered;

/** A standalone server has no transactions to end. */
export const endTransaction: Command = {
  fields: new Set(["autocommit", "recoveryToken"]),
  run: () => {
    throw new CommandError(20, "Transaction numbers are only allowed on a replica set member or mongos");
  },
};
