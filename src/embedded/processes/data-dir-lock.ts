/**
 * One data folder, one platform: two would write the same LMDB files, the same streams and the same shards.
 */
import { join, resolve } from "node:path";
import { FleetlogError } from "../../platform/errors.js";
import { type PidLock, tryPidLock } from "./pid-lock.js";

/** Throws FleetlogError CONFLICT, naming the process, when a living platform has the folder. Creates the folder. */
export function lockDataDir(dataDir: string): PidLock {
  const lock = tryPidLock(join(dataDir, "fleetlog.lock"));
  if (!("heldBy" in lock)) return lock;
  const { pid } = lock.heldBy;
  throw new FleetlogError(
    "CONFLICT",
    `The data folder ${resolve(dataDir)} is in use by process ${pid}: stop that one, or set FLEETLOG_DATA_DIR to another folder.`,
    { dataDir: resolve(dataDir), pid },
  );
}
