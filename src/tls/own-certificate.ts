/**
 * A certificate authority and a server certificate of this deployment's own, made once in the data directory, so that
 * TLS works without being told anything: clients trust `tls/ca.pem`.
 *
 * Several processes of one machine come here at the same time. So the folder appears whole, by renaming one that is
 * complete, and what is renewed is one file, replaced whole: certificate and key always belong together.
 */
// @peculiar/x509 is put together by a container that wants it there first.
import "reflect-metadata";
import { webcrypto } from "node:crypto";
import { existsSync } from "node:fs";
import { chmod, mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { hostname, networkInterfaces } from "node:os";
import { isIP } from "node:net";
import { join } from "node:path";
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  AuthorityKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from "@peculiar/x509";
import { newId } from "../platform/ids.js";

const DAY_MS = 86_400_000;
const CA_DAYS = 7_300;
/** Some clients take no server certificate that is valid for longer (Apple: 825 days; browsers: 398). */
const SERVER_DAYS = 397;
const RENEW_BEFORE_DAYS = 60;

/** ECDSA on P-256: small handshakes, and what every TLS and DTLS library has. */
const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;

/** PEM texts. */
export interface Pair {
  readonly cert: string;
  readonly key: string;
}

export function caPathOf(dataDir: string): string {
  return join(dataDir, "tls", "ca.pem");
}

/** The server certificate, made or renewed where there is none that holds for this host and for some time to come. */
export async function ownCertificate(dataDir: string, now = Date.now()): Promise<Pair> {
  const dir = join(dataDir, "tls");
  if (!existsSync(join(dir, "ca.pem"))) await makeFolder(dataDir, dir, now);
  const held = await readServer(dir);
  if (held !== undefined && isGood(held.cert, now)) return held;
  await writeWhole(join(dir, "server.pem"), joined(await issue(dir, now)));
  // Read back: where two processes renewed at once, both use what stands there last.
  const renewed = await readServer(dir);
  if (renewed === undefined) throw new Error(`${join(dir, "server.pem")} was written, and cannot be read`);
  return renewed;
}

/** The names under which this machine may be reached. */
function hostNames(): readonly string[] {
  const addresses = Object.values(networkInterfaces())
    .flatMap((entries) => entries ?? [])
    .map(({ address }) => address)
    // Addresses of one link alone ("%eth0"), and IPv6 without one: nobody types them.
    .filter((address) => !address.includes("%") && !address.startsWith("fe80:"));
  return [...new Set(["localhost", hostname(), "127.0.0.1", "::1", ...addresses])];
}

function isGood(cert: string, now: number): boolean {
  const certificate = new X509Certificate(cert);
  if (certificate.notAfter.getTime() < now + RENEW_BEFORE_DAYS * DAY_MS) return false;
  const names = certificate.getExtension(SubjectAlternativeNameExtension)?.names.items ?? [];
  const held = new Set(names.map(({ value }) => value));
  return hostNames().every((name) => held.has(name));
}

async function makeFolder(dataDir: string, dir: string, now: number): Promise<void> {
  await mkdir(dataDir, { recursive: true });
  const made = await mkdtemp(join(dataDir, "tls-"));
  try {
    const ca = await createAuthority(now);
    await writeFile(join(made, "ca-key.pem"), ca.key, { mode: 0o600 });
    await writeFile(join(made, "ca.pem"), ca.cert, { mode: 0o644 });
    // What clients must trust is for everybody to read; the keys have modes of their own.
    await chmod(made, 0o755);
    await rename(made, dir);
  } catch (error) {
    await rm(made, { recursive: true, force: true });
    // Another process was first.
    if (!existsSync(join(dir, "ca.pem"))) throw error;
  }
}

async function createAuthority(now: number): Promise<Pair> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: `CN=Fleetlog CA ${newId().slice(-12)}`,
    serialNumber: serialNumber(),
    notBefore: new Date(now - DAY_MS),
    notAfter: new Date(now + CA_DAYS * DAY_MS),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { cert: `${certificate.toString("pem")}\n`, key: await privatePem(keys.privateKey) };
}

/** A new server certificate by the folder's authority. */
async function issue(dir: string, now: number): Promise<Pair> {
  const ca = new X509Certificate(await readFile(join(dir, "ca.pem"), "utf8"));
  const signingKey = await webcrypto.subtle.importKey(
    "pkcs8",
    PemConverter.decodeFirst(await readFile(join(dir, "ca-key.pem"), "utf8")),
    algorithm,
    false,
    ["sign"],
  );
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const names = hostNames().map((value) => ({ type: isIP(value) === 0 ? ("dns" as const) : ("ip" as const), value }));
  const certificate = await X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: "CN=Fleetlog",
    issuer: ca.subject,
    notBefore: new Date(now - DAY_MS),
    notAfter: new Date(Math.min(now + SERVER_DAYS * DAY_MS, ca.notAfter.getTime())),
    signingAlgorithm: algorithm,
    publicKey: keys.publicKey,
    signingKey,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
      new SubjectAlternativeNameExtension(names),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
      await AuthorityKeyIdentifierExtension.create(ca.publicKey),
    ],
  });
  return { cert: `${certificate.toString("pem")}\n`, key: await privatePem(keys.privateKey) };
}

async function privatePem(key: webcrypto.CryptoKey): Promise<string> {
  return `${PemConverter.encode(await webcrypto.subtle.exportKey("pkcs8", key), "PRIVATE KEY")}\n`;
}

/** Positive, 16 bytes. */
function serialNumber(): string {
  return `0${newId().replaceAll("-", "").slice(1)}`;
}

const joined = ({ cert, key }: Pair): string => `${cert}${key}`;

async function readServer(dir: string): Promise<Pair | undefined> {
  let text: string;
  try {
    text = await readFile(join(dir, "server.pem"), "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  const keyAt = text.indexOf("-----BEGIN PRIVATE KEY-----");
  return keyAt < 0 ? undefined : { cert: text.slice(0, keyAt), key: text.slice(keyAt) };
}

async function writeWhole(path: string, text: string): Promise<void> {
  const temporary = `${path}.${newId()}`;
  await writeFile(temporary, text, { mode: 0o600 });
  await rename(temporary, path);
}
