import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { verifyToken } from "../../src/rest/index.js";
import { run } from "./run-cli.js";

const SECRET = "a secret of at least thirty-two characters";
let dataDir: string;
const token = { FLEETLOG_TOKEN: "any", FLEETLOG_URL: "http://127.0.0.1:9" };

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "fleetlog-cli-"));
  await writeFile(join(dataDir, "token-secret"), `${SECRET}\n`);
});
afterAll(() => rm(dataDir, { recursive: true, force: true }));

describe("wrong usage ends with 2 and says what to do", () => {
  it.each([
    [["nonsense"], /unknown command 'nonsense'/],
    [["device"], /Usage: fleetlog device/],
    [["device", "register", "press-1"], /required option '--type <type>'/],
    [["device", "show"], /missing required argument 'id'/],
    [["device", "show", "x", "--as-of", "yesterday"], /ISO 8601/],
    [["token", "issue", "--tenant", "acme", "--ttl", "soon"], /a duration such as/],
    [["token", "issue", "--tenant", "acme", "--role", "KING"], /It is one of ADMIN, OPERATOR/],
    [["config", "set", "press-1", "{broken"], /It is JSON, and this is none/],
    [["config", "set", "press-1", "no-such-file.json"], /the file cannot be read/],
    [["rule", "create", "hot", "--metric", "t"], /give one of --above/],
    [["rule", "create", "hot", "--metric", "t", "--above", "1", "--below", "0"], /give one of --above/],
    [["rule", "create", "hot", "--metric", "t", "--above", "high"], /It is a number/],
    [["rejections", "replay"], /their ids, a filter, or --all/],
    [["rejections", "replay", "some-id", "--all"], /ids or a filter, not both/],
    [["events", "--device", "a/b/c"], /DEVICE or TENANT\/DEVICE/],
    [["events", "--device", "d", "--follow", "--to", "1h"], /--follow has no end/],
    [["device", "list", "--url", "ftp://x"], /--url is an address such as/],
    [["type", "define", "press", "{}"], /a list of metrics/],
    [["device", "update", "press-1", "--clear", "status"], /--clear takes name/],
    [["calibration", "set", "press-1", "[]"], /an object of metrics/],
    [["tenant", "retention", "{}"], /a list of rules/],
    [["device", "list", "--limit", "0"], /a whole number from 1/],
  ])("%j", async (args, message) => {
    const { code, stdout, stderr } = await run(args, token);
    expect(stderr).toMatch(message);
    expect(stdout).toBe("");
    expect(code).toBe(2);
  });

  it("when there is neither a token nor a secret to sign one with", async () => {
    const { code, stderr } = await run(["device", "list"], { FLEETLOG_DATA_DIR: join(dataDir, "none") });
    expect(stderr).toMatch(/there is no token: give --token or FLEETLOG_TOKEN/);
    expect(code).toBe(2);
  });

  it("when it may sign, but not for whom", async () => {
    const { code, stderr } = await run(["device", "list"], { FLEETLOG_DATA_DIR: dataDir });
    expect(stderr).toMatch(/which tenant\? Give --tenant or FLEETLOG_TENANT/);
    expect(code).toBe(2);
  });
});

describe("what is typed wins over what is set", () => {
  it("for the address and for the tenant", async () => {
    const environment = { FLEETLOG_URL: "http://127.0.0.1:9", FLEETLOG_TOKEN_SECRET: SECRET, FLEETLOG_TENANT: "acme" };
    const { stderr } = await run(["device", "list", "--url", "http://127.0.0.1:7/"], environment);
    expect(stderr).toMatch(/http:\/\/127\.0\.0\.1:7 cannot be reached/);
    const { stdout } = await run(["token", "issue", "--tenant", "other"], environment);
    expect((await verifyToken(SECRET, stdout.trim())).actor.tenantId).toBe("other");
  });
});

describe("help", () => {
  it("ends with 0, on standard output", async () => {
    const { code, stdout } = await run(["alert", "--help"], {});
    expect(stdout).toMatch(/ack \[options\] <id>/);
    expect(code).toBe(0);
  });
});

describe("token issue", () => {
  it("prints a token, and nothing else, that the platform takes", async () => {
    const { code, stdout } = await run(
      ["token", "issue", "--tenant", "acme", "--role", "operator", "--subject", "ann", "--ttl", "15m"],
      { FLEETLOG_DATA_DIR: dataDir },
    );
    const { actor, expiresAt } = await verifyToken(SECRET, stdout.trim());
    expect(actor).toEqual({ kind: "user", subject: "ann", tenantId: "acme", role: "OPERATOR" });
    expect(expiresAt).toBeGreaterThan(Date.now());
    expect(code).toBe(0);
  });

  it("of the platform itself, from the secret in the environment, as JSON", async () => {
    const { stdout } = await run(["token", "issue", "--platform", "--json"], {
      FLEETLOG_DATA_DIR: "/nowhere",
      FLEETLOG_TOKEN_SECRET: SECRET,
    });
    const issued = JSON.parse(stdout) as { readonly token: string };
    expect((await verifyToken(SECRET, issued.token)).actor.tenantId).toBe("*");
  });
});

describe("a server that is not the platform", () => {
  it("cannot be reached: the address and what to do are named, exit code 1", async () => {
    const { code, stderr } = await run(["device", "list"], token);
    expect(stderr).toMatch(/http:\/\/127\.0\.0\.1:9 cannot be reached .*npm start.*\(UNAVAILABLE\)/);
    expect(code).toBe(1);
  });

  it("cannot be reached by a subscription either", async () => {
    const { code, stderr } = await run(["watch", "alerts"], token);
    expect(stderr).toMatch(/cannot be reached/);
    expect(code).toBe(1);
  });

  it("answers something else", async () => {
    const server = createServer((_request, response) => response.end("<html>hello</html>"));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const { code, stderr } = await run(["device", "list", "--url", url], token);
    expect(stderr).toMatch(/is no Fleetlog: give its address/);
    expect(code).toBe(1);
    server.close();
  });
});
