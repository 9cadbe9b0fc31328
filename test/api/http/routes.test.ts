import { readFileSync } from "node:fs";
import { createLocalJWKSet } from "jose";
import { Counter, Registry } from "prom-client";
import { describe, expect, test } from "vitest";
import { keyRoutes } from "../../../src/api/http/key-routes.ts";
import { type OperationsFacts, operationsRoutes } from "../../../src/api/http/operations-routes.ts";
import { statusRoutes } from "../../../src/api/http/status-routes.ts";
import type { Authority } from "../../../src/domain/authority.ts";
import { parseSpiffeBundle } from "../../../src/domain/bundle.ts";
import { BrokerError } from "../../../src/domain/errors.ts";
import type { UnixSeconds } from "../../../src/domain/time.ts";
import { P256_SPKI } from "../../samples/credentials.ts";
import { ask, LOOPBACK, madeCertificate, started } from "./http-peers.ts";

const JWK = {
  kty: "EC",
  crv: "P-256",
  x: "YP7UuiVanTHJYet0xjVtaMBJuJI7Yfps5mliLmDyn7Y",
  y: "eQP-EAi4vJmkGunpVii8ZPLxsgwtfp9Rd6PClNRGIpk",
};
const ISSUER = "https://stint.example.org";
const authority = (family: Authority["family"], authorityId: string, certificate?: Uint8Array): Authority => ({
  family,
  authorityId,
  state: "active",
  publicKey: P256_SPKI,
  ...(certificate !== undefined && { certificate }),
  notBefore: 0 as UnixSeconds,
  expiresAt: 4_000_000_000 as UnixSeconds,
});
const certificate = (): Buffer => {
  const [, base64 = ""] =
    /BEGIN CERTIFICATE-----([^-]+)-----/.exec(readFileSync(madeCertificate().certificate, "utf8")) ?? [];
  return Buffer.from(base64, "base64");
};

test("OIDC discovery says what verifiers need, and no more", async () => {
  const { url } = await started(keyRoutes({ issuer: ISSUER, authorities: () => [], bundleSequence: () => 1 }));
  const answer = await ask(`${url}/.well-known/openid-configuration`);
  expect(answer).toMatchObject({ status: 200, headers: { "content-type": "application/json" } });
  expect(JSON.parse(answer.body)).toEqual({
    issuer: "https://stint.example.org",
    jwks_uri: "https://stint.example.org/jwks.json",
    response_types_supported: ["id_token"],
    subject_types_supported: ["public"],
    id_token_signing_alg_values_supported: ["ES256"],
    claims_supported: [
      "iss",
      "sub",
      "aud",
      "iat",
      "nbf",
      "exp",
      "jti",
      "client_id",
      "txn",
      "scope",
      "authorization_details",
      "workflow",
      "run_id",
      "step",
      "attempt",
      "step_id",
      "parent_step_id",
      "principal",
    ],
  });
});

test("the JWKS has the keys of JWT-SVIDs alone, in the form that any library takes", async () => {
  const families = ["x509-svid", "jwt-svid", "wit-svid", "txn-token", "events", "ledger"] as const;
  const authorities = families.map((family) => authority(family, `key-of-${family}`));
  const { url } = await started(keyRoutes({ issuer: ISSUER, authorities: () => authorities, bundleSequence: () => 1 }));
  const { body } = await ask(`${url}/jwks.json`);
  expect(JSON.parse(body)).toEqual({ keys: [{ ...JWK, use: "sig", alg: "ES256", kid: "key-of-jwt-svid" }] });
  const keys = createLocalJWKSet(JSON.parse(body));
  await expect(keys({ alg: "ES256", kid: "key-of-jwt-svid" })).resolves.toMatchObject({ type: "public" });
});

test("the keys of status lists and events are in a set of their own", async () => {
  const authorities = [authority("jwt-svid", "a"), authority("events", "b")];
  const { url } = await started(keyRoutes({ issuer: ISSUER, authorities: () => authorities, bundleSequence: () => 1 }));
  const { body } = await ask(`${url}/keys/events.json`);
  expect(JSON.parse(body)).toEqual({ keys: [{ ...JWK, use: "sig", alg: "ES256", kid: "b" }] });
});

describe("a status list", () => {
  const tokens: Record<string, string | BrokerError> = {
    AbCdEfGhIjKl: "header.claims.signature",
    doubted: new BrokerError("NOT_SERVING", "the ledger can't be relied on at present"),
  };
  const routes = statusRoutes({
    async token(list) {
      const token = tokens[list];
      if (token instanceof BrokerError) throw token;
      return token;
    },
  });

  test("is served for as long as it may be kept, to pages in browsers too", async () => {
    const { url } = await started(routes);
    const answer = await ask(`${url}/status/AbCdEfGhIjKl`);
    expect(answer).toMatchObject({
      status: 200,
      body: "header.claims.signature",
      headers: {
        "content-type": "application/statuslist+jwt",
        "cache-control": "public, max-age=5",
        "access-control-allow-origin": "*",
      },
    });
  });

  test("that there is not is not found, and one that is not certain is not served; neither is kept", async () => {
    const { url } = await started(routes);
    const kept = { "cache-control": "no-store" };
    expect(await ask(`${url}/status/unknown`)).toMatchObject({ status: 404, headers: kept });
    const doubted = { status: 503, body: "the ledger can't be relied on at present\n", headers: kept };
    expect(await ask(`${url}/status/doubted`)).toMatchObject(doubted);
  });
});

test("the SPIFFE bundle has both kinds of key, its sequence and when to look again", async () => {
  const der = certificate();
  const { url } = await started(
    keyRoutes({
      issuer: ISSUER,
      authorities: () => [authority("x509-svid", "a", der), authority("jwt-svid", "b"), authority("ledger", "c")],
      bundleSequence: () => 17,
    }),
  );
  const { body } = await ask(`${url}/spiffe-bundle.json`);
  expect(JSON.parse(body)).toEqual({
    keys: [
      { ...JWK, use: "x509-svid", x5c: [der.toString("base64")] },
      { ...JWK, use: "jwt-svid", kid: "b" },
    ],
    spiffe_sequence: 17,
    spiffe_refresh_hint: 60,
  });
  expect([...parseSpiffeBundle(body).jwtKeys.keys()]).toEqual(["b"]);
});

test("a document is sent again only when it has changed", async () => {
  let authorities = [authority("jwt-svid", "first")];
  const { url } = await started(keyRoutes({ issuer: ISSUER, authorities: () => authorities, bundleSequence: () => 1 }));
  const first = await ask(`${url}/jwks.json`);
  const etag = String(first.headers.etag);
  expect(first.headers["cache-control"]).toBe("public, max-age=60");
  for (const held of [etag, `"other", W/${etag}`, "*"]) {
    const again = await ask(`${url}/jwks.json`, { headers: { "if-none-match": held } });
    expect(again).toMatchObject({ status: 304, body: "", headers: { etag, "cache-control": "public, max-age=60" } });
  }
  authorities = [...authorities, authority("jwt-svid", "second")];
  const changed = await ask(`${url}/jwks.json`, { headers: { "if-none-match": etag } });
  expect(changed.status).toBe(200);
  expect(changed.headers.etag).not.toBe(etag);
});

test("HEAD says what GET would, without a body", async () => {
  const { url } = await started(keyRoutes({ issuer: ISSUER, authorities: () => [], bundleSequence: () => 1 }));
  const got = await ask(`${url}/jwks.json`);
  const head = await ask(`${url}/jwks.json`, { method: "HEAD" });
  expect(head).toMatchObject({ status: 200, body: "", headers: { etag: got.headers.etag } });
});

test("an issuer with a path is served below it, and at the root for a proxy that takes the path away", async () => {
  const issuer = "https://example.org/stint";
  const { url } = await started(keyRoutes({ issuer, authorities: () => [], bundleSequence: () => 1 }));
  for (const path of ["/stint/.well-known/openid-configuration", "/.well-known/openid-configuration"]) {
    const { status, body } = await ask(`${url}${path}`);
    expect(status).toBe(200);
    expect(JSON.parse(body)).toMatchObject({ issuer, jwks_uri: "https://example.org/stint/jwks.json" });
  }
  expect((await ask(`${url}/stint/jwks.json`)).status).toBe(200);
});

const facts = (change: Partial<OperationsFacts>): OperationsFacts => ({
  readiness: () => ({ ready: true, reasons: [], warnings: [] }),
  metrics: new Registry(),
  ...change,
});

test("a broker that can't issue is not ready and says every reason, and is alive all the same", async () => {
  const reasons = ["the disk is too full", "the clock jumped"];
  const { url } = await started(
    operationsRoutes(facts({ readiness: () => ({ ready: false, reasons, warnings: [] }) })),
  );
  const ready = await ask(`${url}/readyz`);
  expect(ready).toMatchObject({ status: 503, headers: { "cache-control": "no-store" } });
  expect(JSON.parse(ready.body)).toEqual({ ready: false, reasons, warnings: [] });
  const live = await ask(`${url}/livez`);
  expect(live).toMatchObject({ status: 200, body: '{"live":true}', headers: { "cache-control": "no-store" } });
});

test("a broker that issues is ready, whatever else wants to be mended", async () => {
  const warnings = ["http.tls: the certificate ends at 2026-11-22T10:00:00Z"];
  const readiness = () => ({ ready: true, reasons: [], warnings });
  const { url } = await started(operationsRoutes(facts({ readiness })));
  const body = JSON.stringify({ ready: true, reasons: [], warnings });
  expect(await ask(`${url}/readyz`)).toMatchObject({ status: 200, body });
});

test("metrics are in the text that Prometheus reads, as they are now", async () => {
  const metrics = new Registry();
  const issued = new Counter({ name: "stint_issued_total", help: "Issued.", registers: [metrics] });
  const { url } = await started(operationsRoutes(facts({ metrics })));
  issued.inc(3);
  const answer = await ask(`${url}/metrics`);
  expect(answer.headers["content-type"]).toBe("text/plain; version=0.0.4; charset=utf-8");
  expect(answer.body).toContain("stint_issued_total 3");
});

test("neither listener has what is the other's", async () => {
  const keys = await started(keyRoutes({ issuer: ISSUER, authorities: () => [], bundleSequence: () => 1 }), LOOPBACK);
  const operations = await started(operationsRoutes(facts({})));
  for (const path of ["/livez", "/readyz", "/metrics"]) expect((await ask(`${keys.url}${path}`)).status).toBe(404);
  for (const path of ["/jwks.json", "/spiffe-bundle.json"]) {
    expect((await ask(`${operations.url}${path}`)).status).toBe(404);
  }
});
