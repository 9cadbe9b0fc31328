import { generateKeyPairSync, randomUUID } from "node:crypto";
import { expect } from "vitest";
import { createOidcAttestor } from "../../../src/adapters/attestor-oidc/oidc-attestor.ts";
import type { OidcIssuer } from "../../../src/adapters/attestor-oidc/trusted-tokens.ts";
import type { UnixSeconds } from "../../../src/domain/time.ts";
import type { EvidenceFacts } from "../../../src/ports/evidence-attestor.ts";
import { type VirtualClock, virtualClock } from "../../memory/virtual-clock.ts";
import { ecSigner, forge, type Json, rsaSigner, signature } from "../../verify/token-forge.ts";
import { AUDIENCE, jwkOf, type LoopbackIssuer, loopbackIssuer, type ProviderKey, ROOTS } from "./loopback-issuer.ts";

/** Where the clock of every scene stands: a minute from now, so that a provider's tokens, made meanwhile, are not of the future. */
export const NOW = (Math.floor(Date.now() / 1_000) + 60) as UnixSeconds;

export const ecKey = (kid: string, algorithm = "ES256", namedCurve = "P-256"): ProviderKey => ({
  ...ecSigner(kid, namedCurve),
  algorithm,
});
export const rsaKey = (kid: string, algorithm = "RS256", modulusLength = 2_048): ProviderKey => ({
  ...rsaSigner(kid, modulusLength),
  algorithm,
});
export const edKey = (kid: string, algorithm = "EdDSA"): ProviderKey => ({
  kid,
  ...generateKeyPairSync("ed25519"),
  algorithm,
});

export type Scene = {
  readonly issuer: LoopbackIssuer;
  readonly clock: VirtualClock;
  attest(token: string): Promise<EvidenceFacts>;
  /** A token of the issuer, for this broker, with members of header and claims changed; `undefined` leaves one out. */
  token(key: ProviderKey, changes?: { readonly claims?: Json; readonly header?: Json; readonly alg?: string }): string;
};

const NO_CHALLENGE = { challenge: () => Promise.reject(new TypeError("a token is not challenged")) };

export async function oidcScene(
  options: Partial<OidcIssuer> = {},
  more: { readonly issuers?: readonly OidcIssuer[] } = {},
): Promise<Scene> {
  const issuer = await loopbackIssuer();
  const clock = virtualClock(NOW);
  const trusted = { issuer: issuer.url, audience: AUDIENCE, singleUse: true, roots: ROOTS, ...options };
  const attestor = createOidcAttestor({ issuers: [trusted, ...(more.issuers ?? [])], clock });
  return {
    issuer,
    clock,
    attest: (token) => attestor.attest(Buffer.from(token), NO_CHALLENGE, new Uint8Array()),
    token(key, { claims, header, alg = key.algorithm } = {}) {
      return forge(
        JSON.stringify({ alg, kid: key.kid, typ: "JWT", ...header }),
        JSON.stringify({ ...goodClaims(trusted.issuer), ...claims }),
        signature(key, alg),
      );
    },
  };
}

function goodClaims(iss: string): Json {
  return { iss, sub: "flow", aud: AUDIENCE, iat: NOW, nbf: NOW, exp: NOW + 300, jti: randomUUID() };
}

/** Publishes an issuer's documents with these keys, as a provider would. */
export function publishKeys({ issuer }: Scene, ...keys: readonly ProviderKey[]): void {
  publishDocuments(issuer, { keys: keys.map(jwkOf) });
}

export function publishDocuments(issuer: LoopbackIssuer, jwks: Json, metadata: Json = {}): void {
  issuer.publish({
    "/.well-known/openid-configuration": { issuer: issuer.url, jwks_uri: `${issuer.url}/keys`, ...metadata },
    "/keys": jwks,
  });
}

/** The refusal that says this in its detail, and nothing of it in its message. */
export const refusal = (detail: string) =>
  expect.objectContaining({
    code: "NO_IDENTITY",
    message: expect.stringMatching(
      /^the token is not accepted here$|^the token's issuer is not trusted here$|^the keys of the token's issuer can't be had$/,
    ),
    detail: expect.stringContaining(detail),
    cause: undefined,
  });
