import { type Context, Hono } from "hono";
import type { SignedIn } from "../../attest/attest-session.ts";
import { NO_UID } from "../../attest/attest-svid.ts";
import { BrokerError } from "../../domain/errors.ts";
import type { SignIn } from "../../ports/sign-in.ts";
import { NO_STORE } from "../http/document.ts";
import type { Cookies } from "./cookies.ts";
import { ownOrigin, type Reached } from "./own-origin.ts";
import type { Sessions } from "./sessions.ts";

const SIGNED_IN = "/console/signed-in";
const HOME = "/console/";

export type SignInFacts = {
  readonly provider: SignIn;
  /** What an ID token proves. @throws BrokerError NO_IDENTITY */
  readonly evidenceOf: (idToken: string) => Promise<SignedIn["selectors"]>;
  /** @throws BrokerError NO_IDENTITY where no operator's entry matches */
  readonly checkOperator: (who: SignedIn) => void;
  /** Why a sign-in failed, which the page does not say. */
  readonly failed: (error: BrokerError) => void;
};

/** Signs operators in at the OpenID provider: there, and back with an answer that counts once, in the browser that began. */
export function signInRoutes(
  { provider, evidenceOf, checkOperator, failed }: SignInFacts,
  { sessions, cookies, reached }: { readonly sessions: Sessions; readonly cookies: Cookies; readonly reached: Reached },
): Hono {
  const routes = new Hono();

  routes.get("/console/sign-in", (context) =>
    leading(context, async () => {
      const { url, attempt } = await provider.begin(`${ownOrigin(context, reached)}${SIGNED_IN}`);
      cookies.setAttempt(context, sessions.attempts.add(attempt).secret);
      return url;
    }),
  );

  routes.get(SIGNED_IN, (context) =>
    leading(context, async () => {
      const secret = cookies.takeAttempt(context);
      const attempt = secret === undefined ? undefined : sessions.attempts.take(secret);
      if (attempt === undefined) throw new BrokerError("NO_IDENTITY", "this browser has begun no sign-in");
      const idToken = await provider.finish(new URL(context.req.url).searchParams, attempt);
      const who = { selectors: await evidenceOf(idToken), uid: NO_UID };
      checkOperator(who);
      cookies.setSession(context, sessions.open.add(who).secret);
      return HOME;
    }),
  );
  return routes;

  async function leading(context: Context, to: () => Promise<string>): Promise<Response> {
    const place = await to().catch((thrown: unknown) => {
      if (!(thrown instanceof BrokerError)) throw thrown;
      failed(thrown);
      return `${HOME}?sign-in=failed`;
    });
    return context.body(null, 303, { ...NO_STORE, location: place });
  }
}
