import { createLocalJWKSet, type JSONWebKeySet } from "jose";
import { LIMITS } from "../../domain/limits.ts";
import type { JsonObject } from "../../domain/strict-json.ts";
import type { Clock } from "../../ports/clock.ts";
import { fetchDocument, issuerUnusable } from "./issuer-document.ts";

/** The keys of an issuer, from which a token's header picks one. */
export type KeySet = ReturnType<typeof createLocalJWKSet>;

/** Whose keys are fetched. */
export type KeyOwner = {
  /** As in the tokens' `iss`. */
  readonly issuer: string;
  /** CA certificates, PEM, that vouch for the issuer's host; absent: those that Node.js has. */
  readonly roots: string | undefined;
  readonly clock: Clock;
};

/**
 * Asks an issuer where its keys are, and for the keys.
 *
 * @throws TokenRefusal when the keys can't be had in time, or the answer is about another issuer
 * @see OpenID Connect Discovery 1.0 sections 4 and 4.3
 */
export function discoverKeys(owner: KeyOwner): Promise<KeySet> {
  const { issuer } = owner;
  return inTime(owner, async (reach) => {
    const metadata = await fetchDocument(metadataUrlOf(issuer), reach);
    if (metadata["issuer"] !== issuer) throw issuerUnusable(`the metadata at ${issuer} is of another issuer`);
    return keySetOf(await fetchDocument(keysUrlOf(metadata["jwks_uri"], issuer), reach), issuer);
  });
}

/**
 * Asks for an issuer's keys where they are known to be.
 *
 * @param jwksUri - https; whoever configured it has made sure.
 * @throws TokenRefusal when the keys can't be had in time
 */
export function fetchKeys(owner: KeyOwner, jwksUri: string): Promise<KeySet> {
  return inTime(owner, async (reach) => keySetOf(await fetchDocument(new URL(jwksUri), reach), owner.issuer));
}

async function inTime(
  { issuer, roots, clock }: KeyOwner,
  ask: (reach: { readonly roots: string | undefined; readonly over: AbortSignal }) => Promise<KeySet>,
): Promise<KeySet> {
  const late = new AbortController();
  const cancel = clock.schedule(LIMITS.issuerFetchMs, () => late.abort());
  try {
    return await ask({ roots, over: late.signal });
  } catch (thrown) {
    throw late.signal.aborted ? issuerUnusable(`${issuer} did not answer within ${LIMITS.issuerFetchMs} ms`) : thrown;
  } finally {
    cancel();
  }
}

function metadataUrlOf(issuer: string): URL {
  return new URL(`${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`);
}

/** The keys may be on another host, as large issuers have it, but must not be less protected than the metadata. */
function keysUrlOf(text: unknown, issuer: string): URL {
  const url = typeof text === "string" && URL.canParse(text) ? new URL(text) : undefined;
  const issuerUrl = new URL(issuer);
  const isProtected = url?.protocol === "https:" || (url?.protocol === "http:" && url.origin === issuerUrl.origin);
  if (url !== undefined && isProtected) return url;
  throw issuerUnusable(`the keys of ${issuer} are not at an https URL`);
}

/** @throws TokenRefusal for a document that is no JSON Web Key Set */
export function keySetOf(document: JsonObject, issuer: string): KeySet {
  try {
    return createLocalJWKSet(document as unknown as JSONWebKeySet);
  } catch {
    throw issuerUnusable(`the keys of ${issuer} are no JSON Web Key Set`);
  }
}
