// From a fresh clone to something that runs, doing only what is not done yet.
import { build, buildIsFresh } from "./build.mjs";
import { dependenciesAreThere, installDependencies } from "./dependencies.mjs";
import { locked } from "./lock.mjs";
import { LaunchError, say, step, took } from "./progress.mjs";

/** `quiet`: says nothing when there is nothing to do. Throws LaunchError when the packages cannot be had. */
export async function ensureDependencies({ quiet = false } = {}) {
  const since = performance.now();
  if (dependenciesAreThere()) {
    if (!quiet) say(`the packages are there (${took(since)})`);
    return;
  }
  await locked(async () => {
    if (!dependenciesAreThere()) await step("installing the packages with npm ci", installDependencies);
  });
}

/** Throws LaunchError when it does not compile. */
export async function ensureBuild({ quiet = false } = {}) {
  const since = performance.now();
  if (buildIsFresh()) {
    if (!quiet) say(`the build is up to date (${took(since)})`);
    return;
  }
  await locked(async () => {
    if (buildIsFresh()) return;
    await step("building", async () => {
      if (!(await build())) throw new LaunchError("The sources do not compile; the errors are above.");
    });
  });
}
