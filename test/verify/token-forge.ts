import { createHmac, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { parseSpiffeBundle } from "../../src/domain/bundle.ts";
import { parseTrustDomain, type TrustDomain } from "../../src/domain/spiffe-id.ts";
import type { UnixSeconds } from "../../src/domain/time.ts";
import { type JwtBundle, verificationKeysOf } from "../../src/verify/verification-keys.ts";

// Makes tokens as a broker would, and as nobody should. Independent of the code that mints, so that both can be wrong.

export const AUDIENCE = "https://mcp.example.org/tools";
export const ISSUER = "https://stint.example.org";
export const NOW = 1_800_000_000 as UnixSeconds;
export const SUBJECT = "spiffe://example.org/agent/researcher/run/r1/step/search/1";

export type Signer = { readonly kid: string; readonly privateKey: KeyObject; readonly publicKey: KeyObject };

export function ecSigner(kid: string, namedCurve = "P-256"): Signer {
  return { kid, ...generateKeyPairSync("ec", { namedCurve }) };
}

export function rsaSigner(kid: string, modulusLength = 2_048, publicExponent = 65_537): Signer {
  return { kid, ...generateKeyPairSync("rsa", { modulusLength, publicExponent }) };
}

export type Json = Record<string, unknown>;

/** The claims of a good token at `NOW`. */
export function stepClaims(changes: Json = {}): Json {
  return {
    iss: ISSUER,
    sub: SUBJECT,
    aud: [AUDIENCE],
    iat: NOW,
    nbf: NOW - 5,
    exp: NOW + 120,
    jti: "AYh5t0Zk3Ez8yB8n2mRkQw",
    client_id: "spiffe://example.org/agent/researcher",
    txn: "r1",
    scope: "mcp:tool:search",
    authorization_details: [
      {
        type: "mcp_tool",
        locations: [AUDIENCE],
        identifier: "search",
        actions: ["read"],
        datatypes: ["internal"],
      },
    ],
    run_id: "r1",
    step: "search",
    attempt: 1,
    step_id: "step_0190a5f2",
    ...changes,
  };
}

export function base64url(data: string | Uint8Array): string {
  return Buffer.from(data as string).toString("base64url");
}

/** A JWS over texts given as they are, valid JSON or not. */
export function forge(header: string, payload: string, signed: (input: string) => Uint8Array): string {
  const input = `${base64url(header)}.${base64url(payload)}`;
  return `${input}.${base64url(signed(input))}`;
}

const HASH_OF: Readonly<Record<string, string>> = { "256": "sha256", "384": "sha384", "512": "sha512" };

export function signature(signer: Signer, algorithm: string): (input: string) => Uint8Array {
  const hash = HASH_OF[algorithm.slice(2)] ?? "sha256";
  if (algorithm.startsWith("HS")) {
    const secret = signer.publicKey.export({ type: "spki", format: "pem" });
    return (input) => createHmac(hash, secret).update(input).digest();
  }
  const padding = algorithm.startsWith("PS") ? { padding: 6, saltLength: -1 } : {};
  return (input) => sign(hash, Buffer.from(input), { key: signer.privateKey, dsaEncoding: "ieee-p1363", ...padding });
}

/** A JWT-SVID by `signer`, with members of header and claims changed; `undefined` leaves one out. */
export function mint(
  signer: Signer,
  changes: { readonly claims?: Json; readonly header?: Json; readonly algorithm?: string } = {},
): string {
  const algorithm = changes.algorithm ?? "ES256";
  const header = { alg: algorithm, kid: signer.kid, typ: "JWT", ...changes.header };
  return forge(JSON.stringify(header), JSON.stringify(stepClaims(changes.claims)), signature(signer, algorithm));
}

/** The SPIFFE bundle document of these signers of JWT-SVIDs, as the broker publishes it. */
export function bundleDocument(...signers: readonly Signer[]): string {
  return bundleDocumentOf({ "jwt-svid": signers });
}

/** The keys of these signers of transaction tokens, as the broker tells verifiers. */
export function txnTokenKeysOf(...signers: readonly Signer[]): string {
  return bundleDocumentOf({ "txn-token": signers });
}

/** The same, by what the signers sign. */
export function bundleDocumentOf(
  uses: {
    readonly [Use in "jwt-svid" | "wit-svid" | "txn-token"]?: readonly Signer[];
  },
): string {
  const keys = Object.entries(uses).flatMap(([use, signers]) =>
    signers.map(({ kid, publicKey }) => ({ use, kid, ...publicKey.export({ format: "jwk" }) })),
  );
  return JSON.stringify({ keys, spiffe_sequence: 1, spiffe_refresh_hint: 300 });
}

export function jwtBundle(name: string, signers: readonly Signer[], more: Partial<JwtBundle> = {}): JwtBundle {
  const keys = verificationKeysOf(parseSpiffeBundle(bundleDocument(...signers)).jwtKeys);
  return { trustDomain: parseTrustDomain(name), keys, ...more };
}

export function bundleSet(...bundles: readonly JwtBundle[]): ReadonlyMap<TrustDomain, JwtBundle> {
  return new Map(bundles.map((bundle) => [bundle.trustDomain, bundle]));
}
