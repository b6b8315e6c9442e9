import { once } from "node:events";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, createServer } from "node:tls";
import type { TLSSocket } from "node:tls";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { silentLogger } from "../../src/platform/logger.js";
import { ownCertificate } from "../../src/tls/own-certificate.js";
import { loadServerCertificate } from "../../src/tls/index.js";
import type { ServerCertificate, ServerCertificateOptions } from "../../src/tls/index.js";
import { waitFor } from "../support/wait-for.js";

let dir: string;
const loaded: ServerCertificate[] = [];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "fleetlog-tls-"));
});
afterEach(async () => {
  await Promise.all(loaded.splice(0).map((certificate) => certificate.stop()));
  await rm(dir, { recursive: true, force: true });
});

async function load(options: Partial<ServerCertificateOptions> = {}): Promise<ServerCertificate> {
  const certificate = await loadServerCertificate({ dataDir: dir, logger: silentLogger, ...options });
  loaded.push(certificate);
  return certificate;
}

async function named(from: string): Promise<{ certFile: string; keyFile: string }> {
  const { cert, key } = await ownCertificate(join(dir, from));
  const files = { certFile: join(dir, "cert.pem"), keyFile: join(dir, "key.pem") };
  await writeFile(files.certFile, cert);
  await writeFile(files.keyFile, key);
  return files;
}

describe("our own certificate", () => {
  test.each(["localhost", "127.0.0.1"])("is trusted by a client that trusts ca.pem, at %s", async (host) => {
    const { current, caFile } = await load();
    const server = createServer(current, (socket) => socket.end("hello"));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const socket: TLSSocket = connect({ host, port, ca: await readFile(caFile ?? "", "utf8") });
    await once(socket, "secureConnect");
    expect(socket.authorized).toBe(true);
    socket.destroy();
    server.close();
  });

  test("is the same after a restart, and its keys are for their owner only", async () => {
    const first = await load();
    const second = await load();
    expect(second.current).toEqual(first.current);
    expect((await stat(join(dir, "tls", "ca.pem"))).mode & 0o044).toBe(0o044);
    expect((await stat(join(dir, "tls"))).mode & 0o055).toBe(0o055);
    for (const file of ["ca-key.pem", "server.pem"]) expect((await stat(join(dir, "tls", file))).mode & 0o077).toBe(0);
  });

  test("is one for all processes that start at once", async () => {
    const all = await Promise.all(Array.from({ length: 8 }, () => ownCertificate(dir)));
    const ca = await readFile(join(dir, "tls", "ca.pem"), "utf8");
    const standing = await ownCertificate(dir);
    expect(all.every(({ cert, key }) => cert.includes("CERTIFICATE") && key.includes("PRIVATE KEY"))).toBe(true);
    expect(await readFile(join(dir, "tls", "ca.pem"), "utf8")).toBe(ca);
    expect(standing).toEqual(await ownCertificate(dir));
  });

  test("is renewed by the same authority before it expires", async () => {
    const first = await ownCertificate(dir);
    const ca = await readFile(join(dir, "tls", "ca.pem"), "utf8");
    const later = await ownCertificate(dir, Date.now() + 350 * 86_400_000);
    expect(later.cert).not.toBe(first.cert);
    expect(await readFile(join(dir, "tls", "ca.pem"), "utf8")).toBe(ca);
  });
});

describe("a certificate from files", () => {
  test("is taken as it is, and followed when it changes", async () => {
    const files = await named("one");
    const certificate = await load({ ...files, checkEveryMs: 20 });
    expect(certificate.caFile).toBeUndefined();
    const heard: string[] = [];
    certificate.onChange(({ cert }) => heard.push(cert));
    const first = certificate.current.cert;
    // Half a change is not taken: this key is of another certificate.
    await writeFile(files.keyFile, (await ownCertificate(join(dir, "two"))).key);
    await waitFor(() => certificate.health()[0]?.state === "degraded");
    expect(certificate.current.cert).toBe(first);
    await writeFile(files.certFile, (await ownCertificate(join(dir, "two"))).cert);
    await waitFor(() => heard.length === 1);
    expect(certificate.current.cert).toBe(heard[0]);
    expect(heard[0]).not.toBe(first);
    expect(certificate.health()[0]?.state).toBe("up");
  });

  test.each([
    [
      "a path that is not there",
      async (files: Files) => rm(files.certFile),
      /FLEETLOG_TLS_CERT: .*cert\.pem cannot be read/u,
    ],
    [
      "no key",
      async (files: Files) => writeFile(files.keyFile, "x"),
      /FLEETLOG_TLS_KEY: .*key\.pem holds no private key/u,
    ],
    [
      "no certificate",
      async (files: Files) => writeFile(files.certFile, "x"),
      /FLEETLOG_TLS_CERT: .*holds no certificate/u,
    ],
    [
      "another's key",
      async (files: Files) => writeFile(files.keyFile, (await ownCertificate(join(dir, "other"))).key),
      /FLEETLOG_TLS_KEY: .*is not the key of/u,
    ],
  ])("%s is named", async (_what, spoil, message) => {
    const files = await named("one");
    await spoil(files);
    await expect(load(files)).rejects.toThrow(message);
  });
});

interface Files {
  readonly certFile: string;
  readonly keyFile: string;
}
