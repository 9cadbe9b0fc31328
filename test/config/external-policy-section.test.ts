import { describe, expect, test } from "vitest";
import {
  externalPolicyOf,
  externalPolicySection,
  externalPolicyWarnings,
} from "../../src/config/external-policy-section.ts";
import { formatKey } from "../../src/config/finding.ts";

const LOCAL = { url: "http://127.0.0.1:8181" };
const FAR = { url: "https://opa.example.org:8181" };

const read = (opa: object) => externalPolicyOf(externalPolicySection.parse({ opa })).opa;

function findingsOf(external: unknown): readonly string[] {
  const { error } = externalPolicySection.safeParse(external);
  return error?.issues.map(({ path, message }) => `${formatKey(path)}: ${message}`) ?? [];
}

test("where only the address is said, OPA is told no names of people, runs or processes, and decides beside Cedar", () => {
  expect(read(LOCAL)).toEqual({
    url: "http://127.0.0.1:8181",
    path: "stint/decision",
    send: ["act", "agent", "runtime", "parent", "requested", "elements", "facts", "risk", "depth", "confined_to"],
    timeoutSeconds: 2,
    tls: {},
    insteadOfCedar: false,
  });
});

test("what is said is in the words of the broker", () => {
  const tls = { ca: "/etc/opa/ca.pem", certificate: "/etc/opa/client.pem", private_key: "/etc/opa/client.key" };
  expect(
    read({
      ...FAR,
      path: "site/stint/answer",
      send: ["elements", "selectors", "claims"],
      timeout: "5s",
      tls,
      token_file: "/etc/opa/token",
      instead_of_cedar: true,
    }),
  ).toEqual({
    url: "https://opa.example.org:8181",
    path: "site/stint/answer",
    send: ["elements", "selectors", "claims"],
    timeoutSeconds: 5,
    tls: { ca: tls.ca, client: { certificate: tls.certificate, privateKey: tls.private_key } },
    tokenFile: "/etc/opa/token",
    insteadOfCedar: true,
  });
});

test.for([
  "https://opa.example.org",
  "https://10.0.0.7:8181",
  "http://127.0.0.1:8181",
  "http://127.1.2.3",
  "http://[::1]:8181",
])("takes OPA at %s", (url) => {
  expect(read({ url }).url).toBe(url);
});

test("plain HTTP on a port that any program can take is permitted with a warning", () => {
  const warned = (url: string) => externalPolicyWarnings(externalPolicySection.parse({ opa: { url } }));
  expect(warned("http://127.0.0.1:8181")).toEqual([
    {
      path: ["opa", "url"],
      message: expect.stringContaining("any program of this machine may listen there and decide"),
    },
  ]);
  for (const url of ["http://127.0.0.1", "http://127.0.0.1:818", "https://opa.example.org:8181"]) {
    expect(warned(url)).toEqual([]);
  }
});

describe("an address is refused that is", () => {
  test.for([
    { what: "plain, of another machine", url: "http://opa.example.org:8181" },
    { what: "plain, of another address", url: "http://10.0.0.7:8181" },
    { what: "plain, of a name that may be another machine's tomorrow", url: "http://localhost:8181" },
    { what: "plain, of every address", url: "http://0.0.0.0:8181" },
    { what: "plain, of a name that begins as loopback does", url: "http://127.0.0.1.example.org" },
    { what: "with a path", url: "https://opa.example.org/v1/data" },
    { what: "with a slash", url: "https://opa.example.org/" },
    { what: "with a query", url: "https://opa.example.org?pretty" },
    { what: "with a password", url: "https://me:secret@opa.example.org" },
    { what: "with the default port", url: "https://opa.example.org:443" },
    { what: "in upper case", url: "https://OPA.example.org" },
    { what: "of a file", url: "file:///etc/passwd" },
    { what: "none", url: "opa" },
  ])("$what", ({ url }) => {
    const findings = findingsOf({ opa: { url } });
    expect(findings).toEqual([expect.stringContaining("opa.url: expected an https URL")]);
    expect(findings.join()).not.toContain("secret");
  });
});

test.for([
  { what: "no OPA", external: {}, finding: "opa: missing; expected a mapping of url" },
  { what: "another engine", external: { opa: LOCAL, other: {} }, finding: ": no such key; expected opa" },
  { what: "no address", external: { opa: {} }, finding: "opa.url: missing; expected an https URL" },
  ...[
    "",
    "/stint",
    "stint/",
    "stint//decision",
    "../config",
    "stint.decision",
    "stint/decision?x",
    "stint/%2e",
    "1a",
  ].map((path) => ({
    what: `the path "${path}"`,
    external: { opa: { ...LOCAL, path } },
    finding: "opa.path: expected a path",
  })),
  {
    what: "nothing to be sent",
    external: { opa: { ...LOCAL, send: [] } },
    finding: "opa.send: expected elements among",
  },
  {
    what: "no elements to be sent",
    external: { opa: { ...LOCAL, send: ["agent"] } },
    finding: "opa.send: expected elements among",
  },
  {
    what: "a member twice",
    external: { opa: { ...LOCAL, send: ["elements", "elements"] } },
    finding: "opa.send: expected no member twice",
  },
  {
    what: "a member that there is not",
    external: { opa: { ...LOCAL, send: ["elements", "secrets"] } },
    finding: "opa.send[1]: expected one of act, agent",
  },
  ...["0s", "11s", "1m", 0.5, -1].map((timeout) => ({
    what: `the time limit ${timeout}`,
    external: { opa: { ...LOCAL, timeout } },
    finding: "opa.timeout: expected 1s to 10s",
  })),
  {
    what: "TLS without https",
    external: { opa: { ...LOCAL, tls: { ca: "/ca.pem" } } },
    finding: "opa.tls: expected an https url with it",
  },
  {
    what: "a certificate without its key",
    external: { opa: { ...FAR, tls: { certificate: "/a.pem" } } },
    finding: "opa.tls: expected certificate and private_key, or neither",
  },
  {
    what: "a relative path",
    external: { opa: { ...FAR, token_file: "token" } },
    finding: "opa.token_file: expected an absolute path",
  },
])("refuses $what", ({ external, finding }) => {
  expect(findingsOf(external)).toEqual([expect.stringContaining(finding)]);
});
