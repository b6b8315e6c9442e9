/** The server's certificate and key as the handshake needs them. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import type { KeyObject } from "node:crypto";
import type { Suite } from "./ciphers.js";

export interface Identity {
  readonly key: KeyObject;
  readonly signedBy: Suite["signedBy"];
  /** The server's own first; DER. */
  readonly chain: readonly Buffer[];
}

/** Throws an Error that says what is wrong with the PEM texts. */
export function identityOf({ cert, key: keyText }: { readonly cert: string; readonly key: string }): Identity {
  const blocks = cert.match(/-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----/gsu) ?? [];
  const chain = blocks.map((block) => new X509Certificate(block).raw);
  if (chain.length === 0) throw new Error("the certificate's file holds no certificate");
  const key = createPrivateKey(keyText);
  const { asymmetricKeyType } = key;
  if (asymmetricKeyType !== "ec" && asymmetricKeyType !== "rsa") {
    throw new Error(`DTLS needs a key of the kind EC or RSA, not ${asymmetricKeyType ?? "none"}`);
  }
  return { key, signedBy: asymmetricKeyType, chain };
}
