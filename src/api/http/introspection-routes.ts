import { TLSSocket } from "node:tls";
import type { HttpBindings } from "@hono/node-server";
import { type Context, Hono } from "hono";
import { BrokerError, type Denial, isDenial } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { VerifierEntry } from "../../domain/registration-entry.ts";
import type { FormPaths } from "./request-guard.ts";

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

/** Bytes beside the token: for its hint, and for what else a client library puts there. */
const OTHER_PARAMETERS_BYTES = 1024;
const FORM_BYTES_MAX = LIMITS.jwtPresentedBytesMax + OTHER_PARAMETERS_BYTES;

/** The paths that take the form: at the root, and below the issuer's path too, where the issuer has one. */
export function introspectionForms(issuer: string): FormPaths {
  const { pathname } = new URL(issuer);
  const paths = pathname === "/" ? [INTROSPECTION_PATH] : [INTROSPECTION_PATH, pathname + INTROSPECTION_PATH];
  return new Map(paths.map((path) => [path, { bytesMax: FORM_BYTES_MAX }]));
}

/** The answer over plain HTTP: behind a proxy that ends TLS, no client could show a certificate. */
const NEEDS_TLS = "introspection is asked over TLS 1.3 with a client certificate\n";
const NEVER_KEPT = { "cache-control": "no-store", pragma: "no-cache" };

type Env = { readonly Bindings: HttpBindings };

/**
 * Tells verifiers without a feed whether a token holds at this instant. A verifier is known by the X.509-SVID of its
 * connection, looked at anew with every request, and is told of tokens for its own audiences alone.
 *
 * @see RFC 7662, RFC 8705 section 2
 */
export function introspectionRoutes(facts: IntrospectionFacts): Hono {
  const routes = new Hono<Env>();
  routes.post(INTROSPECTION_PATH, async (context) => {
    const { socket } = context.env.incoming;
    if (!(socket instanceof TLSSocket)) return context.text(NEEDS_TLS, 404, NEVER_KEPT);
    if (socket.getProtocol() !== "TLSv1.3") return refusal(context, 401, "invalid_client", "expected TLS 1.3");
    try {
      // The verifier is looked up before the body: what a stranger sends is not even read.
      const verifier = await facts.verifierOf(socket);
      if (isDenial(verifier)) {
        const status = verifier.code === "NO_IDENTITY" ? 401 : 403;
        return refusal(context, status, status === 401 ? "invalid_client" : "unauthorized_client", verifier.message);
      }
      const tokens = new URLSearchParams(await context.req.text()).getAll("token");
      const [token] = tokens;
      if (token === undefined || token === "" || tokens.length > 1) {
        return refusal(context, 400, "invalid_request", "expected one token");
      }
      return context.json(await facts.introspect(token, verifier), 200, NEVER_KEPT);
    } catch (thrown) {
      if (!(thrown instanceof BrokerError)) throw thrown;
      return refusal(context, 503, "temporarily_unavailable", thrown.message);
    }
  });
  return routes as unknown as Hono;
}

/** A refusal in the form of OAuth, RFC 6749 section 5.2. */
function refusal(context: Context, status: 400 | 401 | 403 | 503, error: string, description: string): Response {
  return context.json({ error, error_description: description }, status, NEVER_KEPT);
}
