import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { kindOf, parseIssuerUrl, parseSelector, selectorIfNameable, typeOf } from "../../src/domain/selector.ts";

const DIGEST = "0123456789abcdef".repeat(4);
const refusal = expect.objectContaining({ code: "INVALID_FIELD", metadata: { field: "selectors" } });

// Pinned: what operators write and attestors say.
test.for([
  "unix:uid:1001",
  "unix:path:/opt/with:colon",
  "systemd:unit:worker@1.service",
  "oidc:iss:https://token.actions.githubusercontent.com",
  "oidc:iss:https://tenant.auth0.example/",
  "oidc:iss:http://127.0.0.1:9000/realm",
  "oidc:iss:http://[::1]:9000",
  "oidc:sub:repo:octo/app:ref:refs/heads/main",
  "oidc:sub:system:serviceaccount:prod:flow",
  "oidc:sub:Zoë 名前",
  "oidc:claim:repository:octo/app",
  "oidc:claim:ref_protected:true",
  "oidc:claim:kubernetes.io/pod:a:b",
  `x509pop:ca:${DIGEST}`,
  "x509pop:subject:cn:Worker 1",
  "x509pop:serial_number:7f00",
  "x509pop:san:dns:worker-1.example.org",
  "x509pop:san:uri:spiffe://other.example/worker",
  "join_token:name:worker",
])("takes %s", (text) => {
  expect(parseSelector(text)).toBe(text);
});

describe("a selector is refused that has", () => {
  test.for([
    { what: "no kind", text: "unix" },
    { what: "a kind that nothing attests", text: "docker:label:a" },
    { what: "a kind that every object has", text: "constructor" },
    { what: "no value", text: "oidc:sub:" },
    { what: "an issuer that is no URL", text: "oidc:iss:issuer.example.org" },
    { what: "an issuer of plain HTTP elsewhere", text: "oidc:iss:http://issuer.example.org" },
    { what: "an issuer that only begins like this machine", text: "oidc:iss:http://localhost.example.org" },
    { what: "an issuer with a query", text: "oidc:iss:https://issuer.example.org?a" },
    { what: "a control character", text: "oidc:sub:a\nb" },
    { what: "half a character", text: "oidc:sub:\ud800" },
    { what: "a mark that turns the writing around", text: "oidc:claim:name:a\u202eb" },
    { what: "a claim without a name", text: "oidc:claim::a" },
    { what: "a claim without a value", text: "oidc:claim:name:" },
    { what: "a claim alone", text: "oidc:claim:name" },
    { what: "a digest that is too short", text: `x509pop:ca:${DIGEST.slice(1)}` },
    { what: "a digest in upper case", text: `x509pop:ca:${DIGEST.toUpperCase()}` },
    { what: "a subject that is no common name", text: "x509pop:subject:o:Example" },
    { what: "a serial number with leading zeros", text: "x509pop:serial_number:007f" },
    { what: "a serial number of half an octet", text: "x509pop:serial_number:7f0" },
    { what: "a serial number of 21 octets", text: `x509pop:serial_number:${"7f".repeat(21)}` },
    { what: "a wildcard", text: "x509pop:san:dns:*.example.org" },
    { what: "a DNS name in upper case", text: "x509pop:san:dns:Example.org" },
    { what: "a DNS name with an empty label", text: "x509pop:san:dns:a..b" },
    { what: "a DNS name that is too long", text: `x509pop:san:dns:${"a.".repeat(127)}ab` },
    { what: "an alternative name of another kind", text: "x509pop:san:email:a@b.example" },
    { what: "a URI without a scheme", text: "x509pop:san:uri:/a" },
    { what: "a join token with a slash", text: "join_token:name:a/b" },
    { what: "too many bytes in few characters", text: `oidc:sub:${"ä".repeat(2_048)}` },
  ])("$what", ({ text }) => {
    expect(() => parseSelector(text)).toThrow(refusal);
  });
});

test("a selector has a type and a kind", () => {
  const one = parseSelector("oidc:claim:name:a:b");
  expect([typeOf(one), kindOf(one)]).toEqual(["oidc", "oidc:claim"]);
});

test("what was attested is a selector when an entry could name it, and only then", () => {
  const text = fc.oneof(fc.string({ unit: "grapheme" }), fc.string({ unit: "binary" }));
  const kind = fc.constantFrom("oidc:iss", "oidc:sub", "oidc:claim", "x509pop:subject", "x509pop:san", "docker:label");
  fc.assert(
    fc.property(kind, text, (prefix, value) => {
      const named = selectorIfNameable(prefix, value);
      if (named === undefined) expect(() => parseSelector(`${prefix}:${value}`)).toThrow(refusal);
      else expect(parseSelector(`${prefix}:${value}`)).toBe(named);
    }),
  );
});

test("an issuer's URL is taken when its selector is, and it is canonical", () => {
  expect(parseIssuerUrl("https://a.example")).toBe("https://a.example");
  for (const url of ["https://A.example", "https://a.example:443", "https://", "a.example"]) {
    expect(() => parseIssuerUrl(url)).toThrow(expect.objectContaining({ metadata: { field: "issuer" } }));
  }
});
