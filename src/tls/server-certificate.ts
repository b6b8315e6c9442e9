/** The certificate that every door with encryption shows: the operator's from files, or one of our own. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createSecureContext } from "node:tls";
import { FleetlogError, messageOf } from "../platform/errors.js";
import type { HasHealth, PartHealth, Running } from "../platform/lifecycle.js";
import type { Logger } from "../platform/logger.js";
import { caPathOf, ownCertificate } from "./own-certificate.js";
import type { Pair } from "./own-certificate.js";

export interface ServerCertificateOptions {
  /** PEM files: the certificate with its chain, and its key. Both or neither. */
  readonly certFile?: string;
  readonly keyFile?: string;
  /** Where our own certificate is kept when no files are named. */
  readonly dataDir: string;
  readonly logger: Logger;
  /** How often the files are looked at for a change. */
  readonly checkEveryMs?: number;
}

export interface ServerCertificate extends Running, HasHealth {
  /** What stands now, in PEM: for `tls.createServer` and `setSecureContext` as it is. */
  readonly current: Pair;
  /** The file that clients must trust; `undefined` where the operator has named a certificate. */
  readonly caFile: string | undefined;
  /** Called with each new certificate. Returns the way to unsubscribe. */
  onChange(listener: (pair: Pair) => void): () => void;
}

const CHECK_EVERY_MS = 30_000;
const WARN_BEFORE_MS = 14 * 86_400_000;

/**
 * Loads the server's certificate, makes our own where none is named, and follows changes of the files while it runs: a
 * renewed certificate is shown to whoever connects next, and a broken one is reported and not taken.
 * Throws FleetlogError INVALID_VALUE with a sentence that names the file that is wrong.
 */
export async function loadServerCertificate(options: ServerCertificateOptions): Promise<ServerCertificate> {
  const { certFile, keyFile, dataDir, logger, checkEveryMs = CHECK_EVERY_MS } = options;
  const isNamed = certFile !== undefined && keyFile !== undefined;
  const load = (): Promise<Pair> => (isNamed ? readNamed(certFile, keyFile) : ownCertificate(dataDir));
  const listeners = new Set<(pair: Pair) => void>();
  let current = await load();
  let trouble: string | undefined;
  if (!isNamed) logger.info({ ca: caPathOf(dataDir) }, "TLS with our own certificate: clients must trust this file");

  async function check(): Promise<void> {
    try {
      const found = await load();
      trouble = undefined;
      if (found.cert === current.cert && found.key === current.key) return;
      current = found;
      logger.info({ until: new X509Certificate(found.cert).validTo }, "took in a new TLS certificate");
      for (const listener of listeners) listener(found);
    } catch (error) {
      if (trouble === undefined)
        logger.error({ error: messageOf(error) }, "keeping the TLS certificate that was there");
      trouble = messageOf(error);
    }
  }
  const timer = setInterval(() => void check(), checkEveryMs);
  timer.unref();

  return {
    get current() {
      return current;
    },
    caFile: isNamed ? undefined : caPathOf(dataDir),
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    stop() {
      clearInterval(timer);
      listeners.clear();
      return Promise.resolve();
    },
    health: (): readonly PartHealth[] => {
      const { validTo } = new X509Certificate(current.cert);
      const left = Date.parse(validTo) - Date.now();
      if (left <= 0) return [{ name: "tls", state: "degraded", detail: `the certificate has expired: ${validTo}` }];
      if (trouble !== undefined) return [{ name: "tls", state: "degraded", detail: trouble }];
      if (left < WARN_BEFORE_MS) {
        return [{ name: "tls", state: "degraded", detail: `the certificate expires soon: ${validTo}` }];
      }
      return [{ name: "tls", state: "up", detail: `valid until ${validTo}` }];
    },
  };
}

async function readNamed(certFile: string, keyFile: string): Promise<Pair> {
  const cert = await readPem(certFile, "FLEETLOG_TLS_CERT");
  const key = await readPem(keyFile, "FLEETLOG_TLS_KEY");
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(cert);
  } catch (error) {
    throw wrong(`FLEETLOG_TLS_CERT: ${certFile} holds no certificate in PEM: ${messageOf(error)}`);
  }
  let isItsKey: boolean;
  try {
    isItsKey = certificate.checkPrivateKey(createPrivateKey(key));
    if (isItsKey) createSecureContext({ cert, key });
  } catch (error) {
    throw wrong(`FLEETLOG_TLS_KEY: ${keyFile} holds no private key that can be used: ${messageOf(error)}`);
  }
  if (!isItsKey) throw wrong(`FLEETLOG_TLS_KEY: ${keyFile} is not the key of the first certificate in ${certFile}`);
  return { cert, key };
}

async function readPem(path: string, variable: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw wrong(`${variable}: ${path} cannot be read: ${messageOf(error)}`);
  }
}

const wrong = (message: string): FleetlogError => new FleetlogError("INVALID_VALUE", message);
