import { type Context, Hono } from "hono";
import type { Authority } from "../../domain/authority.ts";
import { BUNDLE_REFRESH_HINT_SECONDS, plainJwks, spiffeBundle } from "../../domain/bundle.ts";
import type { JwtClaims } from "../../domain/jwt-claims.ts";
import { answerWith, belowIssuer } from "./document.ts";

/** What verifiers are told. */
export type KeyFacts = {
  /** The authorities whose signatures are to be believed; families that sign neither SVIDs nor events are left out. */
  authorities(): readonly Authority[];
  /** The `iss` of tokens: an https URL without trailing slash. */
  readonly issuer: string;
  /** Grows with every change of what `authorities` gives. */
  bundleSequence(): number;
};

/** With a cache in between a verifier learns this much later of a key that was withdrawn. */
const MAX_AGE_SECONDS = 60;

/** For cloud providers: they match conditions on claims, and take from this list which claims they may ask for. */
const CLAIMS = [
  "iss",
  "sub",
  "aud",
  "iat",
  "nbf",
  "exp",
  "jti",
  "client_id",
  "txn",
  "scope",
  "authorization_details",
  "workflow",
  "run_id",
  "step",
  "attempt",
  "step_id",
  "parent_step_id",
  "principal",
] as const satisfies readonly (keyof JwtClaims)[];

/**
 * The public keys for everyone who verifies: OIDC discovery, plain JWKS, SPIFFE bundle. Where the issuer has a path,
 * the keys are below that path too, as discovery asks.
 *
 * @see OpenID Connect Discovery 1.0 section 4, RFC 7517, SPIFFE Federation section 5
 */
export function keyRoutes(facts: KeyFacts): Hono {
  const routes = new Hono();
  routes.get("/.well-known/openid-configuration", (context) =>
    answer(context, {
      issuer: facts.issuer,
      jwks_uri: `${facts.issuer}/jwks.json`,
      response_types_supported: ["id_token"],
      subject_types_supported: ["public"],
      id_token_signing_alg_values_supported: ["ES256"],
      claims_supported: CLAIMS,
    }),
  );
  routes.get("/jwks.json", (context) => answer(context, plainJwks(facts.authorities())));
  routes.get("/keys/events.json", (context) => answer(context, plainJwks(facts.authorities(), "events")));
  routes.get("/spiffe-bundle.json", (context) =>
    answer(context, spiffeBundle(facts.authorities(), facts.bundleSequence(), BUNDLE_REFRESH_HINT_SECONDS)),
  );
  return belowIssuer(facts.issuer, routes);
}

function answer(context: Context, document: unknown): Response {
  const body = JSON.stringify(document);
  return answerWith(context, { body, mediaType: "application/json", maxAgeSeconds: MAX_AGE_SECONDS });
}
