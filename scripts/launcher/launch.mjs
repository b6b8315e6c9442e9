// The commands. Each makes sure of what it needs, then hands over to the program and ends with its exit code.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { run } from "./child.mjs";
import { root } from "./paths.mjs";
import { ensureBuild, ensureDependencies } from "./prepare.mjs";
import { LaunchError, say } from "./progress.mjs";

const programs = { start: "dist/src/main.js", demo: "dist/src/demo/main.js", bench: "dist/bench/main.js" };
const usage = `usage: node scripts/run.mjs ${[...Object.keys(programs), "test"].join("|")} [arguments of the program]`;

/** `node scripts/run.mjs NAME …` */
export async function launch([name, ...rest]) {
  // npm has taken its "--" away; without npm it is still there.
  const args = rest[0] === "--" ? rest.slice(1) : rest;
  await ending(async () => {
    if (name === "test") {
      const { test } = await import("./test.mjs");
      return await test(args);
    }
    if (!Object.hasOwn(programs, name ?? "")) throw new LaunchError(usage, 2);
    await ensureDependencies();
    await ensureBuild();
    return await program(programs[name], args);
  });
}

/** `npx fleetlog …` */
export async function cliFromClone(args) {
  await ending(async () => {
    await ensureDependencies({ quiet: true });
    await ensureBuild({ quiet: true });
    return await program("dist/src/cli/main.js", args);
  });
}

async function program(file, args) {
  const path = join(root, file);
  if (!existsSync(path)) throw new LaunchError(`${file} is not in the build: this clone has no such program.`, 2);
  return await run(process.execPath, [path, ...args]);
}

async function ending(work) {
  try {
    process.exitCode = await work();
  } catch (error) {
    if (!(error instanceof LaunchError)) throw error;
    say(error.message);
    process.exitCode = error.exitCode;
  }
}
