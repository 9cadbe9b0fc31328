import type { TLSSocket } from "node:tls";
import type { Hono } from "hono";
import type { Denial } from "../../domain/errors.ts";
import type { VerifierEntry } from "../../domain/registration-entry.ts";
import { NO_STORE_PRAGMA } from "./document.ts";
import type { FormPaths } from "./request-guard.ts";
import { tokenForms, tokenRoute } from "./token-form.ts";

export type IntrospectionFacts = {
  /**
   * The verifier at the other end of a connection, by its X.509-SVID as it is now. NO_IDENTITY when the connection has
   * no SVID that is to be believed, NOT_ENTITLED when the SVID is not a verifier's.
   */
  verifierOf(socket: TLSSocket): Promise<VerifierEntry | Denial>;
  /** The answer as it is sent. */
  introspect(token: string, verifier: VerifierEntry): Promise<object>;
};

const INTROSPECTION_PATH = "/introspect";

export function introspectionForms(issuer: string): FormPaths {
  return tokenForms(issuer, INTROSPECTION_PATH);
}

/**
 * Tells verifiers without a feed whether a token holds at this instant. A verifier is known by the X.509-SVID of its
 * connection, looked at anew with every request, and is told of tokens for its own audiences alone.
 *
 * @see RFC 7662, RFC 8705 section 2
 */
export function introspectionRoutes({ verifierOf, introspect }: IntrospectionFacts): Hono {
  return tokenRoute(INTROSPECTION_PATH, {
    act: "introspection is asked",
    callerOf: verifierOf,
    answer: async (context, token, verifier) => context.json(await introspect(token, verifier), 200, NO_STORE_PRAGMA),
  });
}
