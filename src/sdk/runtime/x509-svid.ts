import type { KeyObject } from "node:crypto";
import { inspect } from "node:util";
import { certificatePem } from "../../domain/pem.ts";
import { StintError } from "./stint-error.ts";

/**
 * An X.509-SVID with the key that was made for it in this process. The key is reached by `privateKey()` and `tls()`
 * alone: printing, inspecting, logging or serializing the object shows its SPIFFE ID and expiry.
 */
export type X509Svid = {
  readonly issuanceId: string;
  readonly spiffeId: string;
  /** Exclusive. */
  readonly expiresAt: Date;
  /** DER, leaf first. */
  readonly certificates: readonly Uint8Array[];
  /** The trust domain's CA certificates, DER. */
  readonly bundle: readonly Uint8Array[];
  privateKey(): KeyObject;
  /** PEM texts as `tls.connect` and `tls.createServer` take them; `key` is PKCS#8, in the clear. */
  tls(): { readonly cert: string; readonly key: string; readonly ca: string[] };
  /** `X509Svid(<SPIFFE ID>)` */
  toString(): string;
  toJSON(): { readonly spiffeId: string; readonly expiresAt: string };
};

/** @throws StintError BROKER_FAILED when there is no certificate */
export function createX509Svid(facts: {
  readonly issuanceId: string;
  readonly spiffeId: string;
  readonly expiresAt: Date;
  readonly certificates: readonly Uint8Array[];
  readonly bundle: readonly Uint8Array[];
  readonly privateKey: KeyObject;
}): X509Svid {
  const { privateKey, ...shown } = facts;
  if (shown.certificates.length === 0) {
    throw new StintError("BROKER_FAILED", "the broker's answer holds no X.509-SVID");
  }
  const text = `X509Svid(${shown.spiffeId})`;
  const printed = { [inspect.custom]: () => `${text} until ${shown.expiresAt.toISOString()}` };
  return Object.freeze({
    ...shown,
    ...printed,
    privateKey: () => privateKey,
    tls: () => ({
      cert: shown.certificates.map(certificatePem).join(""),
      key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
      ca: shown.bundle.map(certificatePem),
    }),
    toString: () => text,
    toJSON: () => ({ spiffeId: shown.spiffeId, expiresAt: shown.expiresAt.toISOString() }),
  });
}
