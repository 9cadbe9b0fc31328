import { TLSSocket } from "node:tls";
import type { HttpBindings } from "@hono/node-server";
import { type Context, Hono } from "hono";
import { BrokerError, type Denial, isDenial } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { VerifierEntry } from "../../domain/registration-entry.ts";
import type { FormPaths } from "./request-guard.ts";

export type IntrospectionFacts = {
  /**
   * The verifier at the other end of a connection, by its X.509-SVID as it is now. NO_IDENTITY when it has none that is
   * to be believed, NOT_ENTITLED when it is somebody else's.
   */
  verifierOf(socket: TLSSocket): Promise<VerifierEntry | Denial>;
  /** The answer as it is sent. */
  introspect(token: string, verifier: VerifierEntry): Promise<object>;
};

const INTROSPECTION_PATH = "/introspect";

/** Beside the token: its hint, and what else a client library puts there. */
const OTHER_PARAMETERS_BYTES = 1024;
const FORM_BYTES_MAX = LIMITS.jwtPresentedBytesMax + OTHER_PARAMETERS_BYTES;

/** Below the issuer's path too, where it has one. */
export function introspectionForms(issuer: string): FormPaths {
  const { pathname } = new URL(issuer);
  const paths = pathname === "/" ? [INTROSPECTION_PATH] : [INTROSPECTION_PATH, pathname + INTROSPECTION_PATH];
  return new Map(paths.map((path) => [path, { bytesMax: FORM_BYTES_MAX }]));
}

/** Whoever can't show a client certificate is told so: behind a proxy that ends TLS, nobody could. */
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
      // Before the body: what a stranger sends is not even read.
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

/** As OAuth says it, RFC 6749 section 5.2. */
function refusal(context: Context, status: 400 | 401 | 403 | 503, error: string, description: string): Response {
  return context.json({ error, error_description: description }, status, NEVER_KEPT);
}
