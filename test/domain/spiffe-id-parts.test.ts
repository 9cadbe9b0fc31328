import { describe, expect, test } from "vitest";
import {
  infrastructureNameOf,
  isSpiffeId,
  parseSpiffeId,
  parseTrustDomain,
  pathOf,
  spiffeIdAt,
  trustDomainOf,
} from "../../src/domain/spiffe-id.ts";

const refusal = (field: string) => expect.objectContaining({ code: "INVALID_FIELD", metadata: { field } });
const idAt = (path: string) => parseSpiffeId(`spiffe://example.org${path}`);

test("a trust domain has 1 to 255 characters, alone and in a SPIFFE ID", () => {
  const longest = "d".repeat(255);
  expect(parseTrustDomain(longest)).toBe(longest);
  expect(trustDomainOf(parseSpiffeId(`spiffe://${longest}/a`))).toBe(longest);
  for (const name of ["", `${longest}d`, "Example.org", "a/b"]) {
    expect(() => parseTrustDomain(name)).toThrow(refusal("trust_domain"));
    expect(() => parseTrustDomain(name, "peer")).toThrow(refusal("peer"));
  }
  expect(() => parseSpiffeId(`spiffe://${longest}d/a`)).toThrow(refusal("spiffe_id"));
});

test("a SPIFFE ID has at most 2048 characters, made or given", () => {
  const path = (length: number) => `/${"p".repeat(length - "spiffe://example.org/".length)}`;
  expect(idAt(path(2_048))).toHaveLength(2_048);
  expect(() => idAt(path(2_049))).toThrow(refusal("spiffe_id"));
  expect(() => spiffeIdAt(parseTrustDomain("example.org"), path(2_049))).toThrow(refusal("spiffe_id"));
});

test("the path begins with its slash, and is empty for the trust domain itself", () => {
  expect(pathOf(idAt("/agent/researcher"))).toBe("/agent/researcher");
  expect(pathOf(idAt(""))).toBe("");
});

test("whether a text is a SPIFFE ID is told without throwing", () => {
  expect(isSpiffeId("spiffe://example.org/agent/researcher")).toBe(true);
  for (const text of ["", "https://example.org/agent", "spiffe://example.org/", "spiffe://example.org/a//b"]) {
    expect(isSpiffeId(text)).toBe(false);
  }
});

describe("what names a runtime, a verifier or an operator", () => {
  test.for(["runtime", "verifier", "operator"] as const)("is /%s and a name behind it", (kind) => {
    expect(infrastructureNameOf(idAt(`/${kind}/flow-1`))).toEqual({ kind, name: "flow-1" });
  });

  test.for([
    { what: "an agent", path: "/agent/researcher" },
    { what: "the broker", path: "/stint/server" },
    { what: "more behind the name", path: "/runtime/flow/run" },
    { what: "something before the kind", path: "/ns/runtime/flow" },
    { what: "a kind alone", path: "/runtime" },
    { what: "the trust domain itself", path: "" },
  ])("is not $what", ({ path }) => {
    expect(infrastructureNameOf(idAt(path))).toBeUndefined();
  });
});
