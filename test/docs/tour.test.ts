import { execFile, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Fleetlog } from "../support/fleetlog.js";
import { startFleetlog } from "../support/fleetlog.js";
import { waitFor } from "../support/wait-for.js";

const root = resolve(fileURLToPath(import.meta.url), "../../..");
const run = promisify(execFile);
const isThere = (program: string): Promise<boolean> =>
  run(program, ["--help"]).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code !== "ENOENT",
  );
const canTour = (await isThere("mosquitto_pub")) && (await isThere("curl"));

/** The tour's shell blocks, without the one that starts the platform. */
function blocks(): readonly string[] {
  const [, tour = ""] = /^## A tour[^\n]*\n(.*?)^## /msu.exec(readFileSync(join(root, "README.md"), "utf8")) ?? [];
  return [...tour.matchAll(/^```sh\n(.*?)^```/gmsu)]
    .map(([, text = ""]) => text)
    .filter((text) => text.trim() !== "npm start");
}

describe.runIf(canTour)("the tour of the README", () => {
  let fleetlog: Fleetlog;
  let environment: NodeJS.ProcessEnv;
  beforeAll(async () => {
    fleetlog = await startFleetlog();
    const { port } = new URL(fleetlog.httpUrl);
    environment = { ...process.env, FLEETLOG_DATA_DIR: fleetlog.dataDir, FLEETLOG_HTTP_PORT: port };
  });
  afterAll(() => fleetlog.dispose());

  /** The lines as they stand, but for the ports, which are free ones, and npx, which would only look whether anything must be built. */
  function onThisMachine(text: string): string {
    return text
      .replaceAll("npx fleetlog", `"${process.execPath}" "${join(root, "dist/src/cli/main.js")}"`)
      .replaceAll("http://127.0.0.1:8080", fleetlog.httpUrl)
      .replaceAll("mosquitto_pub ", `mosquitto_pub -p ${new URL(fleetlog.mqttUrl).port} `)
      .replaceAll("curl ", "curl -sS ");
  }

  it("works line by line", { timeout: 180_000 }, async () => {
    const all = blocks();
    const watch = all.find((text) => text.includes("watch alerts")) ?? "";
    const beginning = all.slice(0, all.indexOf(watch));
    const ending = all.slice(all.indexOf(watch) + 1);

    // The third terminal, opened from the start: before there is a tenant there is nothing to see.
    const watching = spawn("bash", ["-c", `exec ${onThisMachine(watch).replace("FLEETLOG_TENANT=acme ", "")}`], {
      env: { ...environment, FLEETLOG_TENANT: "acme" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let seen = "";
    watching.stdout.on("data", (chunk: Buffer) => (seen += chunk.toString()));
    watching.stderr.on("data", (chunk: Buffer) => (seen += chunk.toString()));
    await waitFor(() => seen.includes("watching alerts"), { what: "the third terminal" });

    const script = ["set -euo pipefail", ...beginning, ...ending].map(onThisMachine).join("\n");
    const { stdout } = await run("bash", ["-c", script], { env: environment });
    const expected = [
      "tenant acme is there",
      "device type press is at version 1",
      "device press-1 is REGISTERED",
      "device press-1 is ACTIVE",
      "202 Accepted",
      '"code":"INVALID_VALUE"',
      '"status":"ACTIVE"',
      "temperature > 90, clears at 85",
      "temperature 96.2 of press-1 is above 90",
      "is ACKNOWLEDGED",
      "configuration version 1",
      "ConfigurationChanged",
      "REGISTERED",
      "projection devices is rebuilt",
    ];
    let rest = stdout;
    for (const text of expected) {
      expect(rest).toContain(text);
      rest = rest.slice(rest.indexOf(text) + text.length);
    }
    await waitFor(() => ["ACTIVE", "ACKNOWLEDGED", "RESOLVED"].every((status) => seen.includes(status)), {
      what: "the alert's life in the third terminal",
    });
    watching.kill("SIGINT");
  });
});
