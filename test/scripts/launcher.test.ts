import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { identityOf } from "../../src/embedded/processes/index.js";
import { waitFor } from "../support/wait-for.js";
import { type Clone, makeClone } from "./clone.js";

/** Ends by itself with its first argument as the code; "wait" waits for signals and tells each. */
const program = `
const [first = "0", ...rest] = process.argv.slice(2);
if (first === "wait") {
  process.on("SIGINT", () => process.stdout.write("SIGINT\\n"));
  process.on("SIGTERM", () => {
    process.stdout.write("SIGTERM\\n");
    process.exit(5);
  });
  setInterval(() => {}, 1000);
} else {
  process.exitCode = Number(first);
}
// Last: whoever reads it may send signals at once.
process.stdout.write(\`\${process.pid} \${rest.join(",")}\\n\`);
`;

let clone: Clone;

beforeAll(async () => {
  clone = await makeClone(program);
});

afterAll(async () => {
  await clone.remove();
});

describe("the launcher", () => {
  it("builds once for two that start together, and each gets its program", async () => {
    const both = [clone.launch("start", "0", "one"), clone.launch("start", "--", "3", "two")] as const;
    expect(await Promise.all(both.map(({ ended }) => ended))).toEqual([0, 3]);
    expect(both[0].out()).toMatch(/^\d+ one\n$/u);
    expect(both[1].out()).toMatch(/^\d+ two\n$/u);
    const said = both[0].err() + both[1].err();
    expect(said.match(/building: done in/gu)).toHaveLength(1);
  });

  it("builds again only when a source has changed", async () => {
    const again = clone.launch("start");
    await again.ended;
    expect(again.err()).toContain("the build is up to date");
    await clone.write("src/main.ts", `${program}process.stdout.write("changed\\n");\n`);
    const changed = clone.launch("start");
    await changed.ended;
    expect(changed.out()).toContain("changed");
    await clone.write("src/main.ts", program);
  });

  it("says that the sources do not compile, and starts nothing", async () => {
    await clone.write("src/wrong.ts", "export const wrong: number = 'text';\n");
    const run = clone.launch("start");
    expect(await run.ended).toBe(1);
    expect(run.err()).toContain("The sources do not compile; the errors are above.");
    expect(run.err()).toContain("src/wrong.ts(1,14): error TS2322");
    expect(run.out()).toBe("");
    await clone.write("src/wrong.ts", "export const right: number = 1;\n");
  });

  it("takes over the lock of a run that was killed", async () => {
    const dead = { pid: process.pid, startedAt: "another boot:1", token: "dead" };
    await writeFile(join(clone.path, "dist", ".launcher-lock"), JSON.stringify(dead));
    await clone.write("src/other.ts", "export const other = 1;\n");
    const run = clone.launch("start");
    expect(await run.ended).toBe(0);
    expect(run.err()).toContain("building: done in");
  });

  it.each([[[]], [["fly"]]])("names its commands when called with %j", async (args) => {
    const run = clone.launch(...args);
    expect(await run.ended).toBe(2);
    expect(run.err()).toContain("usage: node scripts/run.mjs start|demo|bench|test");
  });

  it("says when the clone has no such program", async () => {
    const run = clone.launch("bench");
    expect(await run.ended).toBe(2);
    expect(run.err()).toContain("dist/bench/main.js is not in the build");
  });

  it("passes a signal on once, though the terminal and npm both send it, and waits for the program", async () => {
    const run = clone.launch("start", "wait");
    await waitFor(() => run.out().includes("\n"));
    run.process.kill("SIGINT");
    run.process.kill("SIGINT");
    await waitFor(() => run.out().includes("SIGINT"));
    run.process.kill("SIGTERM");
    expect(await run.ended).toBe(5);
    expect(run.out().split("\n").slice(1)).toEqual(["SIGINT", "SIGTERM", ""]);
  });

  it("leaves no program behind when it is killed", async () => {
    const run = clone.launch("start", "wait");
    await waitFor(() => run.out().includes("\n"));
    const pid = Number.parseInt(run.out(), 10);
    expect(identityOf(pid)).toBeDefined();
    run.process.kill("SIGKILL");
    await waitFor(() => identityOf(pid) === undefined, { what: "the program's end" });
    // What it wrote last may still be in the pipe.
    const said = await waitFor(() => (run.out().includes("SIGTERM") ? run.out() : undefined), {
      what: "its last word",
    });
    expect(said).toContain("SIGTERM");
  });
});

describe("npm test", () => {
  it("counts every check and every test, and ends with the plain line", async () => {
    await clone.write(
      "test/sample.test.ts",
      'import { expect, it } from "vitest";\n\nit("holds", () => {\n  expect(1).toBe(1);\n});\n',
    );
    const filter = clone.launch("test", "sample");
    const code = await filter.ended;
    const lines = filter.out().trimEnd().split("\n");
    expect(lines.at(-1)).toMatch(/^\d+ passed, \d+ failed$/u);
    expect(filter.out()).toMatch(/tests .* 1 passed, 0 failed/u);
    expect(code).toBe(lines.at(-1)?.endsWith(" 0 failed") === true ? 0 : 1);
  });

  it("counts a failing test, and a test file that does not load, as one failure each", async () => {
    await clone.write(
      "test/bad.test.ts",
      'import { it } from "vitest";\nit("fails", () => {\n  throw new Error("no");\n});\n',
    );
    await clone.write("test/worse.test.ts", 'import "./nowhere.js";\n');
    const run = clone.launch("test");
    expect(await run.ended).toBe(1);
    expect(run.out()).toMatch(/FAIL {2}tests .* 1 passed, 2 failed, 1 files did not load/u);
    expect(run.out().trimEnd()).toMatch(/\n\d+ passed, [3-9] failed$/u);
  });
});
