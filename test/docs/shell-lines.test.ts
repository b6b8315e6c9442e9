import { readFileSync, readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { run } from "../cli/run-cli.js";
import { fleetlogCommands } from "./shell-lines.js";

const root = resolve(fileURLToPath(import.meta.url), "../../..");
const pages = ["README.md", ...readdirSync(join(root, "docs/guides")).map((name) => join("docs/guides", name))];
const commands = pages.flatMap((page) => fleetlogCommands(readFileSync(join(root, page), "utf8")));

describe("the commands that the pages show", () => {
  it("are there to be checked", () => {
    expect(commands.length).toBeGreaterThan(25);
  });

  it.each(commands)("$line", async ({ args }) => {
    // Nothing listens there: a command whose form is right gets as far as that, and one that needs nobody is done.
    const { code, stderr } = await run(
      args.filter((arg) => arg !== "--help"),
      {
        FLEETLOG_URL: "http://127.0.0.1:9",
        FLEETLOG_TOKEN_SECRET: "a secret of at least thirty-two characters",
        FLEETLOG_TENANT: "acme",
      },
    );
    expect(code === 0 ? "UNAVAILABLE" : stderr).toMatch(/UNAVAILABLE/);
  });
});
