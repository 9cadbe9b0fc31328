import { Hono } from "hono";
import { readAssets } from "../api/console/assets.ts";
import { connectForms, connectRoutes, SESSION_METADATA } from "../api/console/connect-routes.ts";
import { consoleCookies } from "../api/console/cookies.ts";
import { inProcess } from "../api/console/in-process.ts";
import { isFromConsole, type Reached } from "../api/console/own-origin.ts";
import { pageRoutes } from "../api/console/page-routes.ts";
import { sessionForms, sessionRoutes } from "../api/console/session-routes.ts";
import { createSessions, type Sessions } from "../api/console/sessions.ts";
import { signInRoutes } from "../api/console/sign-in-routes.ts";
import { recordingRefusals } from "../api/grpc/attesting.ts";
import type { ConsolePorts } from "../api/grpc/console.ts";
import { type ApiPorts, consoleServer } from "../api/grpc/servers.ts";
import type { FormPaths } from "../api/http/request-guard.ts";
import { attestSession, operatorsOf, type SignedIn } from "../attest/attest-session.ts";
import { NO_UID } from "../attest/attest-svid.ts";
import type { Config } from "../config/config.ts";
import { BrokerError } from "../domain/errors.ts";
import { isOfKind } from "../domain/registration-entry.ts";
import type { Log } from "../ports/log.ts";
import type { Closers } from "./closers.ts";
import { signInOf } from "./console-sign-in.ts";
import type { Core } from "./core.ts";

/** The operators' web page. */
export type Console = {
  readonly forms: FormPaths;
  /** @param url - where the listener is. */
  readonly routesAt: (url: string) => Hono;
  readonly link: NonNullable<ConsolePorts["link"]>;
};

type Parts = { readonly core: Core; readonly ports: ApiPorts; readonly config: Config; readonly log: Log };

/**
 * Makes the console: its calls go to a server of operators in this process, which no socket leads to.
 *
 * @throws BrokerError NOT_SERVING when it was never built, or a file of its sign-in can't be used
 */
export async function createConsole({ core, ports, config, log }: Parts, closers: Closers): Promise<Console> {
  const { clock, random, entries } = core;
  const { url, sessionSeconds = 0, signIn } = config.console ?? {};
  const assets = readAssets();
  const sessions = createSessions({ clock, random }, sessionSeconds);
  const server = consoleServer(
    {
      peerOf({ metadata }) {
        const [id] = metadata.get(SESSION_METADATA);
        return { connectionId: String(id), uid: NO_UID, pid: 0 };
      },
      attest: recordingRefusals(async ({ connectionId: id }) => attestSession(signedIn(sessions, id), entries), core),
      ...{ log, clock, tracing: core.tracing },
    },
    ports,
  );
  closers.push(() => server.forceShutdown());
  const transport = inProcess(server);
  const signingIn = signIn === undefined ? undefined : await signInOf(signIn, core, log);
  let origin = url;

  return {
    forms: new Map([...sessionForms(), ...connectForms()]),
    routesAt(listens) {
      origin ??= listens;
      const reached: Reached = { isTls: listens.startsWith("https:"), ...(url !== undefined && { url }) };
      const cookies = consoleCookies((url ?? listens).startsWith("https:"));
      const parts = { sessions, cookies, reached };
      const session = sessionRoutes(
        {
          trustDomain: config.trustDomain,
          ways: signingIn === undefined ? ["link"] : ["oidc", "link"],
          operatorsOf: (who) =>
            attestSession(who, entries)
              .entries.filter((entry) => isOfKind(entry, "operator"))
              .map(({ content: { name, role } }) => ({ name, role })),
        },
        parts,
      );
      const api = connectRoutes(transport, {
        sessionOf(context) {
          const secret = isFromConsole(context, reached) ? cookies.session(context) : undefined;
          return secret === undefined ? undefined : sessions.open.find({ secret })?.id;
        },
        knownAs(id) {
          const session = sessions.open.find({ id });
          if (session === undefined) return undefined;
          const operators = operatorsOf(session.value, entries);
          return operators.length === 0
            ? undefined
            : operators.map(({ entryId, revision }) => `${entryId}@${revision}`).join();
        },
        clock,
      });
      const routes = new Hono().route("/", session).route("/", api);
      if (signingIn !== undefined) routes.route("/", signInRoutes(signingIn, parts));
      return routes.route("/", pageRoutes(assets));
    },
    link(who) {
      if (origin === undefined) throw new BrokerError("NOT_SERVING", "starting");
      const { secret, expiresAt } = sessions.links.add(who);
      return { url: `${origin}/console/#${secret}`, expiresAt };
    },
  };
}

/** @throws BrokerError NO_IDENTITY */
function signedIn(sessions: Sessions, id: string): SignedIn {
  const session = sessions.open.find({ id });
  if (session === undefined) throw new BrokerError("NO_IDENTITY", "nobody is signed in, or not any more");
  return session.value;
}
