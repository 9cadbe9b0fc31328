import type { TLSSocket } from "node:tls";
import { type Context, Hono } from "hono";
import type { Denial } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import { issuerPrefixes, NO_STORE_PRAGMA } from "./document.ts";
import { answerProved, type WithConnection } from "./proved-caller.ts";
import type { FormPaths } from "./request-guard.ts";

/** Bytes beside the token: for its hint, and for what else a client library puts there. */
const OTHER_PARAMETERS_BYTES = 1024;
const FORM_BYTES_MAX = LIMITS.jwtPresentedBytesMax + OTHER_PARAMETERS_BYTES;

/** The paths that take such a form: at the root, and below the issuer's path too, where the issuer has one. */
export function tokenForms(issuer: string, path: string): FormPaths {
  return new Map(issuerPrefixes(issuer).map((prefix) => [prefix + path, { bytesMax: FORM_BYTES_MAX }]));
}

/**
 * A route that takes a form with one token from a caller whose connection proves who it is.
 *
 * @param route.act - what the route does, for the refusal over plain HTTP: behind a proxy that ends TLS, no client could show a
 *   certificate.
 * @param route.callerOf - NO_IDENTITY when the connection has no SVID that is to be believed.
 * @see RFC 7662 section 2.1, RFC 7009 section 2.1, RFC 8705 section 2
 */
export function tokenRoute<Caller extends object>(
  path: string,
  route: {
    readonly act: string;
    callerOf(socket: TLSSocket): Promise<Caller | Denial>;
    answer(context: Context, token: string, caller: Caller): Promise<Response>;
  },
): Hono {
  const routes = new Hono<WithConnection>();
  routes.post(path, (context) =>
    answerProved(
      context,
      {
        needsTls: () => context.text(`${route.act} over TLS 1.3 with a client certificate\n`, 404, NO_STORE_PRAGMA),
        callerOf: route.callerOf,
        refused: (status, message) =>
          refusal(context, status, status === 401 ? "invalid_client" : "unauthorized_client", message),
        failed: ({ message }) => refusal(context, 503, "temporarily_unavailable", message),
      },
      async (caller) => {
        const tokens = new URLSearchParams(await context.req.text()).getAll("token");
        const [token] = tokens;
        if (token === undefined || token === "" || tokens.length > 1) {
          return refusal(context, 400, "invalid_request", "expected one token");
        }
        return route.answer(context, token, caller);
      },
    ),
  );
  return routes as unknown as Hono;
}

/** A refusal in the form of OAuth, RFC 6749 section 5.2. */
function refusal(context: Context, status: 400 | 401 | 403 | 503, error: string, description: string): Response {
  return context.json({ error, error_description: description }, status, NO_STORE_PRAGMA);
}
