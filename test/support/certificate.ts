/** A certificate for localhost that signs itself: what a private broker has. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** PEM files in `dir`. `openssl`: the program's path. */
export async function makeCertificate(
  openssl: string,
  dir: string,
): Promise<{ readonly certificate: string; readonly key: string }> {
  const [certificate, key] = [join(dir, "broker.pem"), join(dir, "broker.key")];
  const request = "req -x509 -nodes -days 2 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -subj /CN=localhost";
  const names = "subjectAltName=DNS:localhost,IP:127.0.0.1";
  await run(openssl, [...request.split(" "), "-addext", names, "-out", certificate, "-keyout", key]);
  return { certificate, key };
}
