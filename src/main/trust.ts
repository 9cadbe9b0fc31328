import { createPrivateKey, X509Certificate } from "node:crypto";
import type { SvidSource } from "../api/http/tls-context.ts";
import type { Config } from "../config/config.ts";
import { intermediatesOf, x509RootsOf } from "../domain/authority.ts";
import { parseSpiffeBundle } from "../domain/bundle.ts";
import { secondsOf } from "../domain/time.ts";
import { parseTxnTokenKeySet, txnTokenKeySet } from "../domain/txn-token-keys.ts";
import type { OwnSvid } from "../issue/own-svid.ts";
import { type BundleSet, verificationKeysOf } from "../verify/verification-keys.ts";
import { verifyX509Svid, type X509BundleSet, x509AuthoritiesOf } from "../verify/x509-svid.ts";
import type { Core } from "./core.ts";

/** Whom the broker itself believes. */
export type Trust = {
  /** What the broker tells verifiers, parsed once for each change. */
  bundles(): { readonly jwt: BundleSet; readonly x509: X509BundleSet };
  /** Whose certificate chain this is, leaf first. @throws VerificationError when the chain is nobody's */
  identify(chain: readonly Uint8Array[]): ReturnType<typeof verifyX509Svid>;
};

export function trustOf({ authorities, bundle, clock }: Core, { trustDomain, issuer }: Config): Trust {
  let sequence = -1;
  let made: ReturnType<Trust["bundles"]> = { jwt: new Map(), x509: new Map() };

  function bundles(): ReturnType<Trust["bundles"]> {
    if (sequence !== authorities.bundleSequence()) {
      sequence = authorities.bundleSequence();
      const { jwtKeys, witKeys, x509 } = parseSpiffeBundle(JSON.stringify(bundle()));
      const txnTokenKeys = parseTxnTokenKeySet(JSON.stringify(txnTokenKeySet(authorities.all())));
      const keys = {
        keys: verificationKeysOf(jwtKeys),
        witKeys: verificationKeysOf(witKeys),
        txnTokenKeys: verificationKeysOf(txnTokenKeys),
      };
      made = {
        jwt: new Map([[trustDomain, { trustDomain, issuer, ...keys }]]),
        x509: new Map([[trustDomain, { trustDomain, authorities: x509AuthoritiesOf(x509) }]]),
      };
    }
    return made;
  }

  return {
    bundles,
    // A trust domain for development counts here: it is the broker's own, and the broker knows what it is for.
    identify: (chain) =>
      verifyX509Svid(chain, { bundles: bundles().x509, now: secondsOf(clock.now()), development: true }),
  };
}

/** The broker's own X.509-SVID, as its TLS listeners show it. */
export function shownBy(ownSvid: OwnSvid): SvidSource {
  return {
    material() {
      const own = ownSvid.current();
      if (own === undefined) return undefined;
      const key = createPrivateKey({ key: Buffer.from(own.key.privateKey), format: "der", type: "pkcs8" });
      return {
        certificateChain: [own.delivery.svid, ...intermediatesOf(own.delivery.authority)].map(pemOf).join(""),
        privateKey: key.export({ format: "pem", type: "pkcs8" }).toString(),
      };
    },
    onChange: ownSvid.onChange,
  };
}

/** The CA certificates whose holders may connect, PEM. */
export function authorityPems({ authorities }: Core): readonly string[] {
  return x509RootsOf(authorities.all()).map(pemOf);
}

function pemOf(certificate: Uint8Array): string {
  return new X509Certificate(certificate).toString();
}
