import { TLSSocket } from "node:tls";
import type { HttpBindings } from "@hono/node-server";
import { type Context, Hono } from "hono";
import { BrokerError, type Denial, isDenial } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { FormPaths } from "./request-guard.ts";

/** Bytes beside the token: for its hint, and for what else a client library puts there. */
const OTHER_PARAMETERS_BYTES = 1024;
const FORM_BYTES_MAX = LIMITS.jwtPresentedBytesMax + OTHER_PARAMETERS_BYTES;

export const NEVER_KEPT = { "cache-control": "no-store", pragma: "no-cache" };

/** The paths that take such a form: at the root, and below the issuer's path too, where the issuer has one. */
export function tokenForms(issuer: string, path: string): FormPaths {
  const { pathname } = new URL(issuer);
  const paths = pathname === "/" ? [path] : [path, pathname + path];
  return new Map(paths.map((one) => [one, { bytesMax: FORM_BYTES_MAX }]));
}

type Env = { readonly Bindings: HttpBindings };

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
  const routes = new Hono<Env>();
  routes.post(path, async (context) => {
    const { socket } = context.env.incoming;
    const needsTls = `${route.act} over TLS 1.3 with a client certificate\n`;
    if (!(socket instanceof TLSSocket)) return context.text(needsTls, 404, NEVER_KEPT);
    if (socket.getProtocol() !== "TLSv1.3") return refusal(context, 401, "invalid_client", "expected TLS 1.3");
    try {
      // The caller is looked up before the body: what a stranger sends is not even read.
      const caller = await route.callerOf(socket);
      if (isRefused(caller)) {
        const status = caller.code === "NO_IDENTITY" ? 401 : 403;
        return refusal(context, status, status === 401 ? "invalid_client" : "unauthorized_client", caller.message);
      }
      const tokens = new URLSearchParams(await context.req.text()).getAll("token");
      const [token] = tokens;
      if (token === undefined || token === "" || tokens.length > 1) {
        return refusal(context, 400, "invalid_request", "expected one token");
      }
      return await route.answer(context, token, caller);
    } catch (thrown) {
      if (!(thrown instanceof BrokerError)) throw thrown;
      return refusal(context, 503, "temporarily_unavailable", thrown.message);
    }
  });
  return routes as unknown as Hono;
}

function isRefused<Caller extends object>(caller: Caller | Denial): caller is Denial {
  return isDenial(caller);
}

/** A refusal in the form of OAuth, RFC 6749 section 5.2. */
function refusal(context: Context, status: 400 | 401 | 403 | 503, error: string, description: string): Response {
  return context.json({ error, error_description: description }, status, NEVER_KEPT);
}
