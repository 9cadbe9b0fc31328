import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LIMITS } from "../../src/domain/limits.ts";
import { checkPrincipalName, claimsKept } from "../../src/domain/principal.ts";
import type { JsonObject } from "../../src/domain/strict-json.ts";

const refusal = (field: string) => expect.objectContaining({ code: "INVALID_FIELD", metadata: { field } });

describe("the name of a principal", () => {
  test.for([
    { what: "of one byte each", iss: "i", sub: "s" },
    { what: "of the most bytes", iss: `https://${"i".repeat(2_040)}`, sub: "é".repeat(127) },
    { what: "in any script, with spaces", iss: "https://login.example.org", sub: "Ада Лавлейс" },
  ])("is taken $what, as it stands", ({ iss, sub }) => {
    expect(checkPrincipalName({ iss, sub }, "name")).toEqual({ iss, sub });
  });

  test.for([
    { what: "without a subject", iss: "i", sub: "" },
    { what: "without an issuer", iss: "", sub: "s" },
    { what: "of a byte too many", iss: "i", sub: "é".repeat(128) },
    { what: "that steers a terminal", iss: "i", sub: "s\u001b[2J" },
    { what: "of two lines", iss: "i", sub: "s\nINVALID" },
    { what: "that runs from right to left", iss: "i\u202e", sub: "s" },
    { what: "that is no text", iss: "i", sub: "\udc00" },
    { what: "that is a number", iss: "i", sub: 7 },
    { what: "that is a list", iss: ["i"], sub: "s" },
  ])("is refused $what, naming the field and not repeating it", ({ iss, sub }) => {
    expect(() => checkPrincipalName({ iss, sub }, "name")).toThrow(refusal("name"));
  });
});

describe("the claims that are kept", () => {
  test("are those that were asked for and are there, as they are", () => {
    const claims = { a: "x", b: 7, c: false, d: ["x", "y"], e: null, f: { not: "asked for" } };
    expect(claimsKept(claims, ["a", "b", "c", "d", "e", "g"])).toEqual({ a: "x", b: 7, c: false, d: ["x", "y"] });
  });

  test("whatever they are, are either refused or data of four kinds in bounded length, and never another claim's", () => {
    const names = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 8 }), { maxLength: 6 });
    const objects = fc.dictionary(fc.string({ maxLength: 8 }), fc.jsonValue({ maxDepth: 3 }), { maxKeys: 8 });
    fc.assert(
      fc.property(objects, names, (claims, kept) => {
        let values: ReturnType<typeof claimsKept>;
        try {
          values = claimsKept(claims as JsonObject, kept);
        } catch (thrown) {
          expect(thrown).toEqual(refusal("principal_token"));
          return;
        }
        expect(Buffer.byteLength(JSON.stringify(values))).toBeLessThanOrEqual(LIMITS.principalClaimsBytesMax);
        for (const [name, value] of Object.entries(values)) {
          expect(kept).toContain(name);
          expect(value).toEqual((claims as JsonObject)[name]);
          const single = Array.isArray(value) ? value : [value];
          for (const one of single) expect(["string", "number", "boolean"]).toContain(typeof one);
        }
      }),
      { numRuns: 300 },
    );
  });
});
