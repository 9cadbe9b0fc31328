import { createHash, generateKeyPairSync, type KeyObject } from "node:crypto";
import { calculateJwkThumbprint, type JWK, SignJWT } from "jose";
import { AUDIENCE, forge, ISSUER, type Json, NOW, type Signer, SUBJECT, signature, stepClaims } from "./token-forge.ts";

// Makes proofs of possession as clients do, with jose: nothing of the code that verifies them is used.

/** Somebody with a key. */
export type Holder = {
  readonly privateKey: KeyObject;
  readonly jwk: JWK;
  /** RFC 7638 thumbprint. */
  readonly jkt: string;
};

export async function newHolder(kind: "P-256" | "P-384" | "RSA" = "P-256"): Promise<Holder> {
  const { privateKey, publicKey } =
    kind === "RSA"
      ? generateKeyPairSync("rsa", { modulusLength: 2_048 })
      : generateKeyPairSync("ec", { namedCurve: kind });
  const jwk = publicKey.export({ format: "jwk" }) as JWK;
  return { privateKey, jwk, jkt: await calculateJwkThumbprint(jwk, "sha256") };
}

export function hashOf(token: string): string {
  return createHash("sha256").update(token, "ascii").digest("base64url");
}

export const METHOD = "POST";
export const URL_OF_REQUEST = "https://mcp.example.org/tools";

let proofs = 0;

/** A DPoP proof for a token at `NOW`, with members changed; `undefined` leaves one out. */
export async function dpopProof(
  holder: Holder,
  token: string,
  changes: { readonly claims?: Json; readonly header?: Json } = {},
): Promise<string> {
  proofs += 1;
  const claims = { jti: `proof-${proofs}`, htm: METHOD, htu: URL_OF_REQUEST, iat: NOW, ath: hashOf(token) };
  const header = { alg: "ES256", typ: "dpop+jwt", jwk: holder.jwk, ...changes.header };
  return new SignJWT(without({ ...claims, ...changes.claims }))
    .setProtectedHeader(without(header) as { alg: string })
    .sign(holder.privateKey);
}

/** A WIT-SVID by `signer` for a holder's key. */
export function witSvid(
  signer: Signer,
  holder: Pick<Holder, "jwk">,
  changes: { readonly claims?: Json; readonly header?: Json; readonly algorithm?: string } = {},
): string {
  const algorithm = changes.algorithm ?? "ES256";
  const header = { alg: algorithm, kid: signer.kid, typ: "wit+jwt", ...changes.header };
  const ofToken = { iss: undefined, aud: undefined, scope: undefined, authorization_details: undefined };
  const cnf = { jwk: { ...holder.jwk, alg: "ES256" } };
  const claims = stepClaims({ ...ofToken, cnf, ...changes.claims });
  return forge(JSON.stringify(header), JSON.stringify(claims), signature(signer, algorithm));
}

/** A transaction token of the step at `NOW`, with claims changed and members of `tctx`; `undefined` leaves one out. */
export function txnToken(
  signer: Signer,
  changes: { readonly claims?: Json; readonly tctx?: Json; readonly header?: Json; readonly algorithm?: string } = {},
): string {
  const algorithm = changes.algorithm ?? "ES256";
  const header = { alg: algorithm, kid: signer.kid, typ: "txntoken+jwt", ...changes.header };
  const { authorization_details, run_id, step, attempt, step_id, client_id: sub, scope, txn } = stepClaims();
  const tctx = { location: AUDIENCE, authorization_details, run_id, step, attempt, step_id, ...changes.tctx };
  const times = { iat: NOW - 5, exp: NOW + 120 };
  const names = { iss: ISSUER, aud: "example.org", jti: "BZh5t0Zk3Ez8yB8n2mRkQw", txn, sub, req_wl: SUBJECT };
  const claims = { ...names, ...times, scope, tctx, ...changes.claims };
  return forge(JSON.stringify(header), JSON.stringify(claims), signature(signer, algorithm));
}

/** A Workload Proof Token for a WIT-SVID at `NOW`. */
export async function workloadProof(
  holder: Holder,
  wit: string,
  changes: { readonly claims?: Json; readonly header?: Json } = {},
): Promise<string> {
  proofs += 1;
  const claims = { aud: URL_OF_REQUEST, exp: NOW + 30, jti: `proof-${proofs}`, wth: hashOf(wit) };
  return new SignJWT(without({ ...claims, ...changes.claims }))
    .setProtectedHeader(without({ alg: "ES256", typ: "wpt+jwt", ...changes.header }) as { alg: string })
    .sign(holder.privateKey);
}

function without(members: Json): Json {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));
}
