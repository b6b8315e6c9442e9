/**
 * Programs that only tests need — real MQTT brokers, real CoAP clients — from Debian's packages. The packaged services are
 * never started: a test runs the program with a configuration, a port and a directory of its own.
 */
import { spawnSync } from "node:child_process";
import { aptInstall, canUseApt } from "../../src/embedded/processes/apt.js";
import { silentLogger } from "../../src/platform/logger.js";

/**
 * The path of `command`, installed from `aptPackage` where it is missing and this is root on a system with apt.
 * `undefined` when it is not to be had; then the reason, and the command that gets it, stand on standard error:
 * `const mosquitto = await needPackage("mosquitto", "mosquitto"); describe.skipIf(mosquitto === undefined)(…)`.
 */
export async function needPackage(aptPackage: string, command: string): Promise<string | undefined> {
  const found = find(command);
  if (found !== undefined) return found;
  const byHand = `sudo apt-get install -y ${aptPackage}`;
  if (!canUseApt()) {
    process.stderr.write(`skipped: ${command} is not on this machine; to run these tests: ${byHand}\n`);
    return undefined;
  }
  const installed = await aptInstall(aptPackage, {
    logger: silentLogger,
    alreadyThere: () => find(command) !== undefined,
  });
  const path = find(command);
  if (path !== undefined) return path;
  const reason = installed.ok ? `${aptPackage} does not bring it` : installed.reason;
  process.stderr.write(`skipped: ${command} could not be installed (${reason}); to run these tests: ${byHand}\n`);
  return undefined;
}

/** An ordinary user's PATH leaves out sbin, where Debian puts servers. */
function find(command: string): string | undefined {
  const script = 'PATH="$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"; command -v "$1"';
  const { status, stdout } = spawnSync("sh", ["-c", script, "sh", command], { encoding: "utf8" });
  const path = stdout.trim();
  return status === 0 && path.startsWith("/") ? path : undefined;
}
