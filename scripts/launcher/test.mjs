// `npm test`: every check that says whether the clone is good, and one line that counts them.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { run } from "./child.mjs";
import { binOf, root } from "./paths.mjs";
import { ensureBuild, ensureDependencies } from "./prepare.mjs";
import { LaunchError, say, step, took } from "./progress.mjs";

/** Resolves with the exit code: 0 when nothing failed. `args` go to vitest: file filters, `-t NAME`. */
export async function test(args) {
  await ensureDependencies();
  // Each outcome: how many passed and failed in it. A build that fails is counted, and the checks still say what they can.
  const outcomes = [
    await check("build", () => ensureBuild().then(() => 0)),
    await check("type check", () =>
      node(binOf("typescript", "tsc"), ["-p", "tsconfig.json", "--noEmit", "--incremental", "false"]),
    ),
    await check("lint", () => node(binOf("oxlint"), ["--type-aware", "--deny-warnings"])),
    await check("format", () => node(binOf("oxfmt"), ["--check", "."])),
  ];
  await ensureServers();
  outcomes.push(await vitest(args));

  const total = { passed: 0, failed: 0 };
  process.stdout.write("\n");
  for (const { name, passed, failed, note, duration } of outcomes) {
    total.passed += passed;
    total.failed += failed;
    process.stdout.write(`  ${failed === 0 ? "ok  " : "FAIL"}  ${name.padEnd(12)} ${duration.padStart(8)}  ${note}\n`);
  }
  process.stdout.write(`\n${total.passed} passed, ${total.failed} failed\n`);
  return total.failed === 0 ? 0 : 1;
}

async function check(name, work) {
  const since = performance.now();
  say(`${name} …`);
  let good = false;
  try {
    good = (await work()) === 0;
  } catch (error) {
    if (!(error instanceof LaunchError)) throw error;
    say(error.message);
  }
  return { name, passed: good ? 1 : 0, failed: good ? 0 : 1, note: "", duration: took(since) };
}

function node(script, args) {
  return run(process.execPath, [script, ...args]);
}

/** The tests run against real servers: here, where a person sees why it takes its time. A refusal is theirs to report. */
async function ensureServers() {
  try {
    const { findOrInstall } = await compiled("embedded/processes/index.js");
    const { silentLogger } = await compiled("platform/logger.js");
    for (const program of ["nats-server", "influxd"]) {
      await step(`looking for ${program}`, () => findOrInstall(program, { logger: silentLogger, onProgress: say }));
    }
  } catch (error) {
    say(error.message);
  }
}

function compiled(file) {
  return import(pathToFileURL(join(root, "dist", "src", file)).href);
}

async function vitest(args) {
  const since = performance.now();
  const folder = mkdtempSync(join(tmpdir(), "fleetlog-vitest-"));
  const report = join(folder, "report.json");
  say("tests …");
  try {
    const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
    const code = await node(binOf("vitest"), ["run", ...reporters, ...args]);
    return { name: "tests", ...count(report, code), duration: took(since) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A test file that does not load, an error outside any test and a crash each count as one failure. */
function count(report, code) {
  let results;
  try {
    results = JSON.parse(readFileSync(report, "utf8"));
  } catch {
    return { passed: 0, failed: 1, note: `vitest ended with ${code} and left no report` };
  }
  const broken = results.testResults.filter(
    (file) => file.status === "failed" && file.assertionResults.every(({ status }) => status !== "failed"),
  );
  const passed = results.numPassedTests;
  let failed = results.numFailedTests + broken.length;
  const skipped = results.numPendingTests + (results.numTodoTests ?? 0);
  const notes = [`${passed} passed, ${failed} failed`];
  if (skipped > 0) notes.push(`${skipped} skipped`);
  if (broken.length > 0) notes.push(`${broken.length} files did not load`);
  if (code !== 0 && failed === 0) {
    failed = 1;
    notes.push(`vitest ended with ${code}`);
  }
  return { passed, failed, note: notes.join(", ") };
}
