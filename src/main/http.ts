import { Hono } from "hono";
import type { createMetrics } from "../adapters/metrics-prom/metrics-prom.ts";
import type { TlsIdentity } from "../api/endpoint/tls-endpoint.ts";
import type { AuthorizationsPorts } from "../api/grpc/authorizations.ts";
import { authzenForms, authzenRoutes } from "../api/http/authzen-routes.ts";
import { crlRoutes } from "../api/http/crl-routes.ts";
import { belowIssuer } from "../api/http/document.ts";
import { eventReceiverForms, eventReceiverRoute } from "../api/http/event-receiver-route.ts";
import { introspectionForms, introspectionRoutes } from "../api/http/introspection-routes.ts";
import { keyRoutes } from "../api/http/key-routes.ts";
import { ledgerRoutes } from "../api/http/ledger-routes.ts";
import { operationsRoutes } from "../api/http/operations-routes.ts";
import { revocationForms, revocationRoutes } from "../api/http/revocation-routes.ts";
import { type SsfFacts, ssfForms, ssfRoutes } from "../api/http/ssf-routes.ts";
import { type HttpExtras, startHttp } from "../api/http/start-http.ts";
import { statusRoutes } from "../api/http/status-routes.ts";
import type { SvidSource } from "../api/http/tls-context.ts";
import { tracedRoutes } from "../api/http/traced-routes.ts";
import { callerBySvid, operatorBySvid, receiverBySvid, verifierBySvid } from "../api/http/verifier-by-svid.ts";
import { attestSvid } from "../attest/attest-svid.ts";
import { introspect } from "../audit/introspect.ts";
import { askerOf, verifiersOnly } from "../check/asker.ts";
import { checkCall } from "../check/check-call.ts";
import { revokeToken } from "../close/revoke-token.ts";
import type { Config } from "../config/config.ts";
import type { Log } from "../ports/log.ts";
import { createStreamManagement } from "../signals/manage-streams.ts";
import type { Outboxes } from "../signals/outboxes.ts";
import { pollEvents } from "../signals/poll-events.ts";
import { receiveEvent } from "../signals/receive-event.ts";
import type { Closers } from "./closers.ts";
import type { Console } from "./console.ts";
import type { Core } from "./core.ts";
import { httpListenerOf } from "./http-listener.ts";
import { authorityPems, type Trust } from "./trust.ts";

/** Where the HTTP listeners are reached. */
export type HttpUrls = { readonly httpUrl: string | undefined; readonly operationsUrl: string | undefined };

/** Starts the HTTP listeners that are configured: one with what verifiers are told, one with the broker's state. */
export async function startHttpListeners(
  {
    core,
    own,
    trust,
    checking,
    config,
    log,
    metrics,
    console,
  }: {
    readonly core: Core;
    /** Shown where a listener is to show the broker's own X.509-SVID. */
    readonly own: SvidSource;
    readonly trust: Trust;
    /** For gateways that ask about single calls. */
    readonly checking: AuthorizationsPorts;
    readonly config: Config;
    readonly log: Log;
    readonly metrics: ReturnType<typeof createMetrics>["registry"];
    /** Served beside health and metrics. */
    readonly console: Console | undefined;
  },
  closers: Closers,
): Promise<HttpUrls> {
  const failed = (thrown: unknown) => log.fault("an HTTP request failed", thrown);
  const traced = (routes: Hono) => (core.tracing === undefined ? routes : tracedRoutes(routes, core.tracing));
  const routes = traced(forVerifiers(core, trust, config, { checking, log }));
  const extras: HttpExtras = {
    forms: new Map([
      ...introspectionForms(config.issuer),
      ...revocationForms(config.issuer),
      ...authzenForms(config.issuer),
      ...(core.outboxes === undefined ? [] : ssfForms(config.issuer)),
      ...(core.securityEvents === undefined ? [] : eventReceiverForms(config.issuer)),
    ]),
    clients: {
      current: () => authorityPems(core),
      onChange: core.onBundleChange,
    },
  };
  const by = { files: core.files, own };
  const http =
    config.http === undefined
      ? undefined
      : await startHttp(await httpListenerOf("http.tls", config.http, by), () => routes, failed, extras);
  if (http !== undefined) closers.push(() => http.close());
  const health = operationsRoutes({ readiness: core.readiness, metrics });
  const operations =
    config.operations === undefined
      ? undefined
      : await startHttp(
          await httpListenerOf("operations.tls", config.operations, by),
          (url) => (console === undefined ? health : health.route("/", console.routesAt(url))),
          failed,
          { forms: console?.forms ?? new Map() },
        );
  if (operations !== undefined) closers.push(() => operations.close());
  return { httpUrl: http?.url, operationsUrl: operations?.url };
}

function forVerifiers(
  core: Core,
  trust: Trust,
  config: Config,
  { checking, log }: { readonly checking: AuthorizationsPorts; readonly log: Log },
): Hono {
  const { issuer } = config;
  const { authorities, crls, clock, entries, unix } = core;
  const { credentials } = core.store;
  const keys = keyRoutes({
    authorities: () => authorities.all(),
    issuer,
    bundleSequence: () => authorities.bundleSequence(),
  });
  const revoked = crlRoutes({
    crls: () => crls.current(),
    activeAuthorityId: () => authorities.active("x509-svid")?.authorityId,
  });
  const bySvid = {
    identify: trust.identify,
    attest: (identity: TlsIdentity) =>
      attestSvid({ identity, process: undefined }, { attestor: unix.attestor, entries }),
    credentials,
    clock,
  };
  const authzen = authzenRoutes({
    callerOf: callerBySvid(bySvid),
    check: async (caller, request) =>
      checkCall(await askerOf(verifiersOnly(caller), request, checking), request, checking),
    clock,
    issuer,
  });
  const ledger = ledgerRoutes({
    callerOf: callerBySvid(bySvid),
    tree: core.store.tree,
    checkpoints: core.checkpoints,
  });
  const introspection = introspectionRoutes({
    verifierOf: verifierBySvid(bySvid),
    introspect: (token, verifier) =>
      introspect(token, verifier, {
        credentials,
        bundles: () => trust.bundles().jwt,
        ledgerIsDoubted: core.ledgerIsDoubted,
        clock,
      }),
  });
  const { history } = core.store;
  const revoking = { clock, credentials, history, ledger: core.store.ledger, inForce: core.inForce };
  const revocation = revocationRoutes({
    operatorOf: operatorBySvid(bySvid),
    revoke: (token, by) => revokeToken(token, by, { ...revoking, disableEntry: core.registry.disable }),
  });
  const { statusLists, outboxes } = core;
  const events =
    outboxes === undefined ? [] : [ssfRoutes(ssfFactsOf(core, { outboxes, issuer, log }, receiverBySvid(bySvid)))];
  const { securityEvents, principals, inForce } = core;
  const taking = { principals, inForce, clock, ledger: core.store.ledger };
  const receiving =
    securityEvents === undefined
      ? []
      : [eventReceiverRoute({ receive: (token) => receiveEvent(token, { ...taking, securityEvents }) })];
  const statuses = statusLists === undefined ? [] : [statusRoutes(statusLists)];
  const routes = new Hono().route("/", keys).route("/", authzen).route("/", ledger);
  for (const one of events) routes.route("/", one);
  return routes.route("/", belowIssuer(issuer, revoked, introspection, revocation, ...statuses, ...receiving));
}

/** Receivers are verifiers, known as those that introspect are. */
function ssfFactsOf(
  core: Core,
  { outboxes, issuer, log }: { readonly outboxes: Outboxes; readonly issuer: string; readonly log: Log },
  receiverOf: SsfFacts["receiverOf"],
): SsfFacts {
  const { authorities, signer, clock, random } = core;
  const { ledger } = core.store;
  const polling = {
    ...{ outboxes, authorities, signer, clock, issuer },
    refused: (streamId: string, errors: readonly string[]) =>
      log.warning("a receiver could not take security events", { streamId, errors: errors.join(" ") }),
  };
  return {
    ...{ issuer, receiverOf },
    streams: createStreamManagement({ ledger, outboxes, clock, random }),
    poll: (stream, { entry }, request, gone) => pollEvents(stream, entry.spiffeId, request, polling, gone),
  };
}
