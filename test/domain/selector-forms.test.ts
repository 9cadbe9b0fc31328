import { describe, expect, test } from "vitest";
import { matches, parseIssuerUrl, parseSelector, selector } from "../../src/domain/selector.ts";

const DIGEST = "0123456789abcdef".repeat(4);
const POD_UID = "3b0b6a3c-3f0e-4f0c-8a66-1f0f2d0ab0a9";
const refusal = expect.objectContaining({ code: "INVALID_FIELD", metadata: { field: "selectors" } });

// A value is of its form from the first character to the last: one that merely holds such a value would match what nobody meant.
describe.for([
  {
    kind: "unix:uid",
    taken: ["0", "7", "1001", "4294967295"],
    refused: ["", "x7", "7x", "-1", "007", "1 ", "12345678901"],
  },
  { kind: "unix:gid", taken: ["0", "7", "1001"], refused: ["", "x7", "7x", "-1", "007", "12345678901"] },
  { kind: "unix:supplementary_gid", taken: ["0", "7", "1001"], refused: ["", "x7", "7x", "-1", "007", "12345678901"] },
  {
    kind: "unix:user",
    taken: ["a", "alice", "_svc-1", "a.b@c"],
    refused: ["", " alice", "alice ", "a:b", "a/b", "/alice", "alice/"],
  },
  {
    kind: "unix:group",
    taken: ["a", "stint-operators"],
    refused: ["", " admins", "admins ", "a:b", "a/b", "/admins", "admins/"],
  },
  {
    kind: "unix:path",
    taken: ["/usr/bin/node", "/a b"],
    refused: ["", "/", "node", "bin/node", "./node", "/a\0", "/a\0b"],
  },
  {
    kind: "unix:sha256",
    taken: [DIGEST],
    refused: ["", "a", `${DIGEST}0`, `0${DIGEST}`, DIGEST.toUpperCase(), DIGEST.slice(1)],
  },
  {
    kind: "systemd:unit",
    taken: ["worker.service", "worker@a\\x2db.service"],
    refused: [
      ".service",
      "worker",
      "worker.socket",
      "worker.service.d",
      "worker.services",
      "a/worker.service",
      " worker.service",
    ],
  },
  {
    kind: "oidc:iss",
    taken: ["http://localhost", "http://localhost:9000", "http://127.0.0.1/realm"],
    refused: [
      "xhttps://a.example",
      " https://a.example",
      "https://a.example#b",
      "https://a@b.example",
      "http://localhost:",
      "ftp://localhost",
    ],
  },
  { kind: "oidc:claim", taken: ["n:v", `${"n".repeat(128)}:v`], refused: [" n:v", `${"n".repeat(129)}:v`, "n m:v"] },
  {
    kind: "k8s:cluster",
    taken: ["prod", "prod-1.eu_A", "a".repeat(128)],
    refused: ["", "a b", "a/b", "a".repeat(129)],
  },
  { kind: "k8s:ns", taken: ["agents", "a-1", "a".repeat(63)], refused: ["Agents", "a.b", "-a", "a-", "a".repeat(64)] },
  {
    kind: "k8s:sa",
    taken: ["flow", "flow.v1", "a".repeat(253)],
    refused: ["", "a..b", ".a", "a.", "a/b", "a".repeat(254)],
  },
  { kind: "k8s:pod-name", taken: ["flow-7d9c5b8c4-x2x7p"], refused: ["Flow", "flow:x"] },
  { kind: "k8s:node-name", taken: ["ip-10-0-0-1.eu-west-1.compute.internal"], refused: ["a_b", ""] },
  { kind: "k8s:pod-uid", taken: [POD_UID], refused: [POD_UID.toUpperCase(), POD_UID.slice(1), `${POD_UID}0`] },
  { kind: "k8s:sa-uid", taken: [POD_UID], refused: ["flow", ""] },
  { kind: "x509pop:ca", taken: [DIGEST], refused: [`${DIGEST}0`, `0${DIGEST}`, `x${DIGEST}`] },
  { kind: "x509pop:subject", taken: ["cn:W"], refused: ["xcn:W", "cn:", "cn:a\nb", "cn:a\u2028"] },
] as const)("$kind", ({ kind, taken, refused }) => {
  test.for(taken)("takes %j", (value) => {
    expect(parseSelector(`${kind}:${value}`)).toBe(`${kind}:${value}`);
  });
  test.for(refused)("refuses %j", (value) => {
    expect(() => parseSelector(`${kind}:${value}`)).toThrow(refusal);
  });
});

test("a selector has at most 4096 bytes", () => {
  const text = (bytes: number) => "oidc:sub:".padEnd(bytes, "s");
  expect(parseSelector(text(4_096))).toHaveLength(4_096);
  expect(() => parseSelector(text(4_097))).toThrow(refusal);
});

test("an issuer's canonical URL is refused all the same where no selector could name it", () => {
  for (const url of ["https://a.example/?b", "http://a.example/", "ftp://a.example/"]) {
    expect(() => parseIssuerUrl(url)).toThrow(expect.objectContaining({ metadata: { field: "issuer" } }));
  }
});

describe("an entry matches a workload", () => {
  const attested = new Set([selector("unix:uid", 1_001), selector("unix:user", "alice")]);

  test("that has every one of its selectors, and maybe others", () => {
    expect(matches([selector("unix:uid", 1_001)], attested)).toBe(true);
    expect(matches([...attested], attested)).toBe(true);
  });

  test("and none that lacks one", () => {
    expect(matches([selector("unix:uid", 1_001), selector("unix:path", "/a")], attested)).toBe(false);
    expect(matches([selector("unix:uid", 1_001)], new Set())).toBe(false);
  });

  test("never, when it has no selectors", () => {
    expect(matches([], attested)).toBe(false);
    expect(matches([], new Set())).toBe(false);
  });
});
