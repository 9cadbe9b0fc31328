import { createPrivateKey } from "node:crypto";
import { Hono } from "hono";
import type { createMetrics } from "../adapters/metrics-prom/metrics-prom.ts";
import { crlRoutes } from "../api/http/crl-routes.ts";
import { belowIssuer } from "../api/http/document.ts";
import { introspectionForms, introspectionRoutes } from "../api/http/introspection-routes.ts";
import { keyRoutes } from "../api/http/key-routes.ts";
import { operationsRoutes } from "../api/http/operations-routes.ts";
import { type HttpExtras, type HttpListener, startHttp } from "../api/http/start-http.ts";
import type { SvidSource } from "../api/http/tls-context.ts";
import { verifierBySvid } from "../api/http/verifier-by-svid.ts";
import { attestSvid } from "../attest/attest-svid.ts";
import { introspect } from "../audit/introspect.ts";
import type { Config, HttpListenerConfig } from "../config/config.ts";
import { intermediatesOf } from "../domain/authority.ts";
import { secondsOf } from "../domain/time.ts";
import type { OwnSvid } from "../issue/own-svid.ts";
import type { Log } from "../ports/log.ts";
import { verifyX509Svid } from "../verify/x509-svid.ts";
import type { Closers, Core } from "./core.ts";
import { authorityPems, pemOf, trustedBy } from "./trust.ts";

/** Where the HTTP listeners are reached. */
export type HttpUrls = { readonly httpUrl: string | undefined; readonly operationsUrl: string | undefined };

/** Starts the HTTP listeners that are configured: what verifiers are told, and how the broker is. */
export async function startHttpListeners(
  {
    core,
    ownSvid,
    config,
    log,
    metrics,
  }: {
    readonly core: Core;
    readonly ownSvid: OwnSvid;
    readonly config: Config;
    readonly log: Log;
    readonly metrics: ReturnType<typeof createMetrics>["registry"];
  },
  closers: Closers,
): Promise<HttpUrls> {
  const failed = (thrown: unknown) => log.fault("an HTTP request failed", thrown);
  const routes = forVerifiers(core, config);
  const extras: HttpExtras = {
    forms: introspectionForms(config.issuer),
    clients: {
      current: () => authorityPems(core),
      onChange: core.onBundleChange,
    },
  };
  const own = shownBy(ownSvid);
  const http =
    config.http === undefined ? undefined : await startHttp(listenerOf(config.http, own), () => routes, failed, extras);
  if (http !== undefined) closers.push(() => http.close());
  const health = operationsRoutes({ readiness: core.readiness, metrics });
  const operations =
    config.operations === undefined
      ? undefined
      : await startHttp(listenerOf(config.operations, own), () => health, failed);
  if (operations !== undefined) closers.push(() => operations.close());
  return { httpUrl: http?.url, operationsUrl: operations?.url };
}

function listenerOf({ tls, ...listener }: HttpListenerConfig, own: SvidSource): HttpListener {
  if (tls === undefined) return listener;
  return { ...listener, tls: tls === "own-svid" ? own : tls };
}

function shownBy(ownSvid: OwnSvid): SvidSource {
  return {
    material() {
      const own = ownSvid.current();
      if (own === undefined) return undefined;
      const key = createPrivateKey({ key: Buffer.from(own.key.privateKey), format: "der", type: "pkcs8" });
      return {
        certificateChain: [own.delivery.svid, ...intermediatesOf(own.delivery.authority)].map(pemOf).join(""),
        privateKey: key.export({ format: "pem", type: "pkcs8" }).toString(),
      };
    },
    onChange: ownSvid.onChange,
  };
}

function forVerifiers(core: Core, config: Config): Hono {
  const { issuer } = config;
  const { authorities, crls, clock, entries, unix, suspensions } = core;
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
  const trusted = trustedBy(core, config);
  const introspection = introspectionRoutes({
    verifierOf: verifierBySvid({
      // Of this broker's own trust domain, of which it knows whether it is one for development.
      identify: (chain) =>
        verifyX509Svid(chain, { bundles: trusted().x509, now: secondsOf(clock.now()), development: true }),
      attest: (identity) => attestSvid({ identity, process: undefined }, { attestor: unix.attestor, entries }),
      credentials,
      clock,
    }),
    introspect: (token, verifier) =>
      introspect(token, verifier, {
        credentials,
        bundles: () => trusted().jwt,
        ledgerIsDoubted: suspensions.ledgerIsDoubted,
        clock,
      }),
  });
  return new Hono().route("/", keys).route("/", belowIssuer(issuer, revoked, introspection));
}
