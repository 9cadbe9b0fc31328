import fc from "fast-check";
import { expect, test } from "vitest";
import { selectorsOf } from "../../../src/adapters/attestor-oidc/token-selectors.ts";
import { parseSelector } from "../../../src/domain/selector.ts";

test.for<{ what: string; claims: Record<string, unknown>; selectors: readonly string[] }>([
  { what: "its texts", claims: { environment: "prod" }, selectors: ["oidc:claim:environment:prod"] },
  { what: "its whole numbers", claims: { id: 42, zero: 0 }, selectors: ["oidc:claim:id:42", "oidc:claim:zero:0"] },
  { what: "true and false", claims: { a: true, b: false }, selectors: ["oidc:claim:a:true", "oidc:claim:b:false"] },
  { what: "each of a list of texts", claims: { g: ["x", "y"] }, selectors: ["oidc:claim:g:x", "oidc:claim:g:y"] },
  { what: "colons in values", claims: { ref: "a:b:c" }, selectors: ["oidc:claim:ref:a:b:c"] },
  { what: "no fractions", claims: { share: 0.5 }, selectors: [] },
  { what: "no number that is not exact", claims: { id: 2 ** 53 }, selectors: [] },
  { what: "no objects", claims: { "kubernetes.io": { namespace: "a" } }, selectors: [] },
  { what: "no nulls", claims: { a: null }, selectors: [] },
  { what: "no list with anything else in it", claims: { a: ["x", 1] }, selectors: [] },
  { what: "no name with a colon", claims: { "a:b": "c", "https://a.example/b": "c" }, selectors: [] },
  { what: "no empty name or value", claims: { "": "a", b: "" }, selectors: [] },
  { what: "no control characters", claims: { a: "x\ny", "b\n": "c", sub: "d\u0000" }, selectors: [] },
  { what: "nothing too long", claims: { a: "x".repeat(5_000) }, selectors: [] },
  { what: "no subject that is no text", claims: { sub: 7 }, selectors: [] },
  {
    what: "not what differs from token to token",
    claims: { exp: 9, nbf: 8, iat: 7, auth_time: 6, updated_at: 5, jti: "j", nonce: "n" },
    selectors: [],
  },
])("a token's selectors are $what", ({ claims, selectors }) => {
  expect([...(selectorsOf(claims) ?? [])]).toEqual(selectors);
});

test("whatever a claim holds, no selector of it is of another claim or another kind", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.oneof(fc.string(), fc.array(fc.string()))), (claims) => {
      for (const selector of selectorsOf({ ...claims, iss: "https://a.example", sub: "me" }) ?? []) {
        expect(parseSelector(selector)).toBe(selector);
        const [, kind, name = "", ...value] = selector.split(":");
        if (kind === "iss") expect(selector).toBe("oidc:iss:https://a.example");
        else if (kind === "sub") expect(selector).toBe("oidc:sub:me");
        else expect([claims[name]].flat()).toContain(value.join(":"));
      }
    }),
  );
});
