// node_modules as package-lock.json says.
import { accessSync, constants, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "./child.mjs";
import { root } from "./paths.mjs";
import { LaunchError, say } from "./progress.mjs";

/**
 * npm writes what it installed into node_modules/.package-lock.json, last of all: an install that was killed, or one
 * without the development packages, or one of another lock, does not pass for ours. One that a person made by hand does.
 */
export function dependenciesAreThere() {
  const wanted = packagesIn("package-lock.json");
  const installed = packagesIn("node_modules/.package-lock.json");
  if (wanted === undefined || installed === undefined) return false;
  return Object.entries(wanted).every(([path, entry]) => {
    // Optional packages are the native builds of other systems, for the greater part.
    if (path === "" || entry.optional === true || entry.devOptional === true) return true;
    return installed[path]?.version === entry.version && installed[path]?.integrity === entry.integrity;
  });
}

function packagesIn(file) {
  try {
    return JSON.parse(readFileSync(join(root, file), "utf8")).packages;
  } catch {
    return undefined;
  }
}

export async function installDependencies() {
  const cache = writable(homedir()) ? undefined : mkdtempSync(join(tmpdir(), "fleetlog-npm-"));
  try {
    if ((await npm("ci", cache)) !== 0) {
      say("npm ci did not work; trying npm install …");
      if ((await npm("install", cache)) !== 0) {
        throw new LaunchError(
          "The packages could not be installed; npm's reason is above. Check the connection to the registry, then start again.",
        );
      }
    }
  } finally {
    if (cache !== undefined) rmSync(cache, { recursive: true, force: true });
  }
  await checkNative();
}

function npm(verb, cache) {
  // Native builds come ready-made as optional packages: no package needs its install script (checkNative sees to the rest).
  const args = [
    verb,
    "--ignore-scripts",
    "--include=dev",
    "--include=optional",
    "--no-audit",
    "--no-fund",
    "--no-update-notifier",
    "--loglevel=error",
  ];
  if (cache !== undefined) args.push(`--cache=${cache}`);
  const stdio = ["ignore", 2, 2];
  const { npm_execpath: cli } = process.env;
  const isNpm = cli !== undefined && /npm-cli\.[cm]?js$/u.test(cli) && existsSync(cli);
  const env = { ...process.env, NODE_ENV: "development" };
  return isNpm ? run(process.execPath, [cli, ...args], { stdio, env }) : run("npm", args, { stdio, env });
}

/** On a system without a ready-made build, the install script compiles one. */
async function checkNative() {
  const load = ["-e", 'require("lmdb")'];
  if ((await run(process.execPath, load, { stdio: "ignore" })) === 0) return;
  say("there is no ready-made lmdb for this system; compiling it …");
  if ((await run("npm", ["rebuild", "lmdb"], { stdio: ["ignore", 2, 2] })) === 0) return;
  throw new LaunchError(
    "lmdb does not load and could not be compiled: install a C++ compiler, make and python3, then start again.",
  );
}

function writable(folder) {
  try {
    accessSync(folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
