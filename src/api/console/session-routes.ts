import { type Context, Hono } from "hono";
import type { SignedIn } from "../../attest/attest-session.ts";
import { BrokerError } from "../../domain/errors.ts";
import type { OperatorRole } from "../../domain/registration-entry.ts";
import { parseStrictObject } from "../../domain/strict-json.ts";
import { microsOf } from "../../domain/time.ts";
import { NO_STORE } from "../http/document.ts";
import type { FormPaths } from "../http/request-guard.ts";
import type { Cookies } from "./cookies.ts";
import { isFromConsole, type Reached } from "./own-origin.ts";
import type { Sessions } from "./sessions.ts";

const SESSION = "/console/session";
/** `{"code":"…"}` */
const BYTES_MAX = 256;

export type SessionFacts = {
  readonly trustDomain: string;
  /** How operators sign in here. */
  readonly ways: readonly ("link" | "oidc")[];
  /** @throws BrokerError NO_IDENTITY where no operator's entry matches */
  readonly operatorsOf: (who: SignedIn) => readonly { readonly name: string; readonly role: OperatorRole }[];
};

/** The path that takes more than GET. */
export function sessionForms(): FormPaths {
  return new Map([[SESSION, { media: "json", methods: ["GET", "POST", "DELETE"], bytesMax: BYTES_MAX }]]);
}

/** Who is signed in, with a link's code in, and out. */
export function sessionRoutes(
  { trustDomain, ways, operatorsOf }: SessionFacts,
  { sessions, cookies, reached }: { readonly sessions: Sessions; readonly cookies: Cookies; readonly reached: Reached },
): Hono {
  const routes = new Hono();
  const current = (context: Context) => {
    const secret = cookies.session(context);
    return secret === undefined ? undefined : sessions.open.find({ secret });
  };

  routes.get(SESSION, (context) => {
    const session = current(context);
    const place = { trustDomain, ways };
    if (session === undefined) return context.json(place, 200, NO_STORE);
    try {
      const expiresAt = new Date(microsOf(session.expiresAt) / 1_000).toISOString();
      return context.json({ ...place, operators: operatorsOf(session.value), expiresAt }, 200, NO_STORE);
    } catch (thrown) {
      if (!(thrown instanceof BrokerError)) throw thrown;
      sessions.open.delete(session.id);
      return context.json(place, 200, NO_STORE);
    }
  });

  routes.post(SESSION, async (context) => {
    if (!isFromConsole(context, reached)) return notOurs(context);
    const { code } = parseStrictObject(new Uint8Array(await context.req.arrayBuffer())) ?? {};
    const who = typeof code === "string" ? sessions.links.take(code) : undefined;
    if (who === undefined) return context.text("the link was used before, or its minute is over\n", 401, NO_STORE);
    cookies.setSession(context, sessions.open.add(who).secret);
    return context.body(null, 204, NO_STORE);
  });

  routes.delete(SESSION, (context) => {
    if (!isFromConsole(context, reached)) return notOurs(context);
    const session = current(context);
    if (session !== undefined) sessions.open.delete(session.id);
    cookies.clearSession(context);
    return context.body(null, 204, NO_STORE);
  });
  return routes;
}

function notOurs(context: Context): Response {
  return context.text("expected the console's own origin\n", 403, NO_STORE);
}
