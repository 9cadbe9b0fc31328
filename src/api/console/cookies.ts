import type { Context } from "hono";
import { deleteCookie, getCookie, setCookie } from "hono/cookie";
import type { CookieOptions } from "hono/utils/cookie";

/** The cookies of the console. */
export type Cookies = {
  /** The secret of the session that a request comes with. */
  session(context: Context): string | undefined;
  setSession(context: Context, secret: string): void;
  clearSession(context: Context): void;
  setAttempt(context: Context, secret: string): void;
  /** The secret of the sign-in that this browser has begun; the browser forgets it. */
  takeAttempt(context: Context): string | undefined;
};

/**
 * No script sees them, and no other site's request brings the session along. They last as long as the browser: how long a secret is good is
 * for whoever keeps it to say.
 *
 * Over TLS their names say that the host alone has set them. Browsers differ in whether loopback without TLS may use such names.
 *
 * @see RFC 6265bis sections 4.1.3.2 and 5.8.3
 */
export function consoleCookies(isTls: boolean): Cookies {
  const prefix = isTls ? "__Host-" : "";
  const [session, attempt] = [`${prefix}stint-console`, `${prefix}stint-sign-in`];
  const common: CookieOptions = { path: "/", httpOnly: true, secure: isTls };
  return {
    session: (context) => getCookie(context, session),
    setSession: (context, secret) => setCookie(context, session, secret, { ...common, sameSite: "Strict" }),
    clearSession: (context) => void deleteCookie(context, session, common),
    // The browser comes back from the provider's site.
    setAttempt: (context, secret) => setCookie(context, attempt, secret, { ...common, sameSite: "Lax" }),
    takeAttempt: (context) => deleteCookie(context, attempt, common),
  };
}
