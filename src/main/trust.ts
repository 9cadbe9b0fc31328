import { X509Certificate } from "node:crypto";
import type { Config } from "../config/config.ts";
import { x509RootsOf } from "../domain/authority.ts";
import { parseSpiffeBundle } from "../domain/bundle.ts";
import { type BundleSet, verificationKeysOf } from "../verify/verification-keys.ts";
import { type X509BundleSet, x509AuthoritiesOf } from "../verify/x509-svid.ts";
import type { Core } from "./core.ts";

/** What the broker itself believes: what it tells verifiers, made ready once for each change of it. */
export function trustedBy({ authorities, bundle }: Core, { trustDomain, issuer }: Config) {
  let sequence = -1;
  let trusted: { readonly jwt: BundleSet; readonly x509: X509BundleSet } = { jwt: new Map(), x509: new Map() };
  return () => {
    if (sequence !== authorities.bundleSequence()) {
      sequence = authorities.bundleSequence();
      const { jwtKeys, x509 } = parseSpiffeBundle(JSON.stringify(bundle()));
      trusted = {
        jwt: new Map([[trustDomain, { trustDomain, issuer, keys: verificationKeysOf(jwtKeys) }]]),
        x509: new Map([[trustDomain, { trustDomain, authorities: x509AuthoritiesOf(x509) }]]),
      };
    }
    return trusted;
  };
}

/** The CA certificates whose holders may connect, PEM. */
export function authorityPems({ authorities }: Core): readonly string[] {
  return x509RootsOf(authorities.all()).map(pemOf);
}

export function pemOf(certificate: Uint8Array): string {
  return new X509Certificate(certificate).toString();
}
