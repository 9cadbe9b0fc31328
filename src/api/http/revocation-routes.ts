import type { TLSSocket } from "node:tls";
import type { Hono } from "hono";
import type { Actor } from "../../domain/actor.ts";
import type { Denial } from "../../domain/errors.ts";
import { NO_STORE_PRAGMA } from "./document.ts";
import type { FormPaths } from "./request-guard.ts";
import { tokenForms, tokenRoute } from "./token-form.ts";

export type RevocationFacts = {
  /** The operator at the other end of a connection, by its X.509-SVID as it is now; NO_IDENTITY, NOT_ENTITLED. */
  operatorOf(socket: TLSSocket): Promise<{ readonly by: Actor } | Denial>;
  /** Takes the token back; a token that is not the broker's, or has expired, changes nothing. */
  revoke(token: string, by: Actor): Promise<void>;
};

const REVOCATION_PATH = "/revoke";

export function revocationForms(issuer: string): FormPaths {
  return tokenForms(issuer, REVOCATION_PATH);
}

/**
 * Takes back a token that an operator has come by: in force once it is answered. Whether there was such a token is not told.
 *
 * @see RFC 7009 section 2
 */
export function revocationRoutes({ operatorOf, revoke }: RevocationFacts): Hono {
  return tokenRoute(REVOCATION_PATH, {
    act: "tokens are revoked",
    callerOf: operatorOf,
    async answer(context, token, { by }) {
      await revoke(token, by);
      return context.body(null, 200, NO_STORE_PRAGMA);
    },
  });
}
