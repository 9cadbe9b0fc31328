import { describe, expect, test } from "vitest";
import { findingsOf, LEAST, load, warningsOf } from "./config-files.ts";

const SECTION = 'attestation:\n  listen: "0.0.0.0:8445"\n  own_svid: true\n';
const DEVELOPMENT = "trust_domain: stint-dev.invalid\nissuer: https://stint.example.org\ndevelopment: true\n";
const CA = "0".repeat(64);

test("what is evidence is in the words of the domain, with what was left out", () => {
  const issuers =
    "  oidc:\n" +
    "    - {issuer: https://token.actions.githubusercontent.com, audience: stint}\n" +
    "    - {issuer: https://kubernetes.default.svc, audience: stint, single_use: false, roots: /etc/k8s.pem}\n";
  expect(load(`${LEAST}${SECTION}${issuers}  x509pop: {ca: /etc/ca.pem}\n  join_token: false\n`).attestation).toEqual({
    listen: { host: "0.0.0.0", port: 8445 },
    tls: "own-svid",
    oidc: [
      { issuer: "https://token.actions.githubusercontent.com", audience: "stint", singleUse: true },
      { issuer: "https://kubernetes.default.svc", audience: "stint", singleUse: false, roots: "/etc/k8s.pem" },
    ],
    x509pop: { ca: "/etc/ca.pem" },
    joinToken: false,
  });
});

test("an issuer's keys are in a file, or at a URL, and an issuer may be a cluster's API server", () => {
  const issuers =
    "  oidc:\n" +
    "    - {issuer: https://a.example, audience: stint, jwks_file: /etc/keys.json, kubernetes_cluster: prod}\n" +
    "    - {issuer: https://b.example, audience: stint, jwks_uri: https://b.example/openid/v1/jwks}\n";
  expect(load(`${LEAST}${SECTION}${issuers}`).attestation?.oidc).toEqual([
    {
      ...{ issuer: "https://a.example", audience: "stint", singleUse: true, kubernetesCluster: "prod" },
      keys: { file: "/etc/keys.json" },
    },
    {
      ...{ issuer: "https://b.example", audience: "stint", singleUse: true },
      keys: { uri: "https://b.example/openid/v1/jwks" },
    },
  ]);
});

test("where nothing is said of evidence, join tokens are", () => {
  const { attestation } = load(`${LEAST}${SECTION}`);
  expect(attestation).toMatchObject({ oidc: [], joinToken: true });
  expect(attestation).not.toHaveProperty("x509pop");
});

test.for([
  "https://issuer.example.org",
  "https://issuer.example.org/",
  "https://issuer.example.org/realms/one",
  "https://issuer.example.org:8443/a/",
])("takes the issuer %s as it stands", (issuer) => {
  const { attestation } = load(`${LEAST}${SECTION}  oidc: [{issuer: "${issuer}", audience: a}]\n`);
  expect(attestation?.oidc[0]?.issuer).toBe(issuer);
});

describe("an issuer is refused that is", () => {
  test.for([
    { what: "no URL", issuer: "issuer.example.org" },
    { what: "of another scheme", issuer: "file:///etc/passwd" },
    { what: "with a query", issuer: "https://issuer.example.org/?tenant=1" },
    { what: "with a fragment", issuer: "https://issuer.example.org/#a" },
    { what: "with a user", issuer: "https://user@issuer.example.org" },
    { what: "in upper case", issuer: "https://Issuer.example.org" },
    { what: "with the default port", issuer: "https://issuer.example.org:443" },
    { what: "with dot segments", issuer: "https://issuer.example.org/a/../b" },
    { what: "plain, of another machine", issuer: "http://issuer.example.org" },
  ])("$what", ({ issuer }) => {
    expect(findingsOf(`${LEAST}${SECTION}  oidc: [{issuer: "${issuer}", audience: a}]\n`)).toEqual([
      expect.stringContaining("attestation.oidc[0].issuer: expected an https URL"),
    ]);
  });

  test("plain on this machine, but in development", () => {
    const issuer = '  oidc: [{issuer: "http://127.0.0.1:9000", audience: a}]\n';
    expect(findingsOf(`${LEAST}${SECTION}${issuer}`)).toEqual([
      "stint.yaml:6:19: attestation.oidc[0].issuer: expected an https URL; http is for development: true with a loopback address",
    ]);
    expect(load(`${DEVELOPMENT}${SECTION}${issuer}`).attestation?.oidc).toHaveLength(1);
  });
});

test.for([
  {
    what: "an issuer twice",
    text: '  oidc: [{issuer: "https://a.example", audience: a}, {issuer: "https://a.example", audience: b}]\n',
    finding: "attestation.oidc[1].issuer: expected one that is not listed before",
  },
  {
    what: "an issuer without an audience",
    text: '  oidc: [{issuer: "https://a.example"}]\n',
    finding: "attestation.oidc[0].audience: missing; expected a text that is not empty",
  },
  {
    what: "an empty audience",
    text: '  oidc: [{issuer: "https://a.example", audience: ""}]\n',
    finding: "attestation.oidc[0].audience: expected a text that is not empty",
  },
  {
    what: "a CA by a relative path",
    text: "  x509pop: {ca: ca.pem}\n",
    finding: "attestation.x509pop.ca: expected an absolute path",
  },
  {
    what: "keys in two places",
    text: "  oidc: [{issuer: https://a.example, audience: a, jwks_file: /k.json, jwks_uri: https://a.example/k}]\n",
    finding: "attestation.oidc[0]: expected one of jwks_file and jwks_uri",
  },
  {
    what: "keys that anybody on the way could exchange",
    text: "  oidc: [{issuer: https://a.example, audience: a, jwks_uri: http://127.0.0.1/k}]\n",
    finding: "attestation.oidc[0].jwks_uri: expected an https URL",
  },
  {
    what: "a cluster that no selector could name",
    text: "  oidc: [{issuer: https://a.example, audience: a, kubernetes_cluster: 'a b'}]\n",
    finding: "attestation.oidc[0].kubernetes_cluster: expected a name of 1 to 128 letters",
  },
  {
    what: "nothing that is evidence",
    text: "  join_token: false\n",
    finding: "attestation: expected oidc, x509pop or join_token: true",
  },
])("refuses $what", ({ text, finding }) => {
  expect(findingsOf(`${LEAST}${SECTION}${text}`)).toEqual([expect.stringContaining(finding)]);
});

describe("an entry by evidence", () => {
  const entry = (kind: string, selectors: readonly string[]): string =>
    `${LEAST}entries:\n  - {kind: ${kind}, name: a, selectors: ${JSON.stringify(selectors)}${
      { runtime: ", agents: [a]", verifier: ", audiences: [urn:a:b]", operator: ", role: viewer" }[kind] ?? ""
    }}\n`;

  test.for([
    { kind: "runtime", selectors: ["oidc:iss:https://a.example", "oidc:sub:me"] },
    { kind: "verifier", selectors: ["oidc:iss:https://a.example", "oidc:claim:repository:me/mine"] },
    { kind: "runtime", selectors: ["k8s:cluster:prod", "k8s:ns:agents", "k8s:sa:flow"] },
    { kind: "runtime", selectors: ["k8s:cluster:prod", "k8s:pod-uid:3b0b6a3c-3f0e-4f0c-8a66-1f0f2d0ab0a9"] },
    { kind: "operator", selectors: [`x509pop:ca:${CA}`, "x509pop:subject:cn:me"] },
    { kind: "runtime", selectors: ["join_token:name:a"] },
    { kind: "operator", selectors: ["unix:uid:1000"] },
  ])("that names one workload is a $kind without a warning: $selectors", ({ kind, selectors }) => {
    expect(warningsOf(entry(kind, selectors))).toEqual([]);
  });

  test.for([
    { kind: "runtime", selectors: ["oidc:iss:https://a.example"], warning: "every token of this issuer matches" },
    { kind: "operator", selectors: ["oidc:iss:https://a.example"], warning: "every token of this issuer matches" },
    { kind: "runtime", selectors: ["k8s:cluster:prod"], warning: "pods of every namespace of this cluster match" },
    { kind: "runtime", selectors: ["k8s:cluster:prod", "k8s:sa:flow"], warning: "pods of every namespace" },
    { kind: "verifier", selectors: [`x509pop:ca:${CA}`], warning: "every certificate of this CA matches" },
  ])("that names nobody is a $kind with a warning: $selectors", ({ kind, selectors, warning }) => {
    expect(warningsOf(entry(kind, selectors))).toEqual([expect.stringContaining(warning)]);
  });
});
