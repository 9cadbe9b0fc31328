import { generateKeyPairSync } from "node:crypto";
import { expect, test, vi } from "vitest";
import type { JwtSvidOptions } from "../../src/verify/jwt-svid.ts";
import { verifyJwtSvid } from "../../src/verify/jwt-svid.ts";
import { createKnownSignatures } from "../../src/verify/known-signatures.ts";
import { VerificationError } from "../../src/verify/verification-error.ts";
import { AUDIENCE, bundleSet, ecSigner, ISSUER, jwtBundle, mint, NOW } from "./token-forge.ts";

const own = ecSigner("own");
/** Another key by the same name, as a bundle has that came later. */
const other = ecSigner("own");
const bundlesWith = (signer: typeof own) => bundleSet(jwtBundle("example.org", [signer], { issuer: ISSUER }));
const bundles = bundlesWith(own);
const token = mint(own, {});

function codeOf(text: string, options: Partial<JwtSvidOptions>): string {
  try {
    verifyJwtSvid(text, { audiences: [AUDIENCE], bundles, now: NOW, ...options });
    return "accepted";
  } catch (thrown) {
    return thrown instanceof VerificationError ? thrown.code : String(thrown);
  }
}

test("a signature that was found to hold is not checked again, and everything else is", () => {
  const known = createKnownSignatures();
  const add = vi.spyOn(known, "add");
  const answers = [
    codeOf(token, { known }),
    codeOf(token, { known }),
    codeOf(token, { known, now: (NOW + 1_000) as typeof NOW }),
    codeOf(token, { known, audiences: ["https://other.example.org"] }),
    codeOf(token, { known, bundles: bundleSet() }),
    codeOf(token, { known, bundles: bundlesWith(other) }),
  ];
  const [other1, other2] = ["AUDIENCE_MISMATCH", "KEY_UNKNOWN"];
  expect(answers).toEqual(["accepted", "accepted", "EXPIRED", other1, other2, "SIGNATURE_INVALID"]);
  expect(add).toHaveBeenCalledOnce();
});

test("no text is known but the one that was signed, and none that was refused", () => {
  const known = createKnownSignatures();
  const forged = mint(other, {});
  expect([codeOf(token, { known }), codeOf(forged, { known }), codeOf(forged, { known })]).toEqual([
    "accepted",
    "SIGNATURE_INVALID",
    "SIGNATURE_INVALID",
  ]);
  const [header, , signature] = token.split(".");
  const payload = mint(own, { claims: { scope: "mcp:tool:delete" } }).split(".")[1];
  expect(codeOf([header, payload, signature].join("."), { known })).toBe("SIGNATURE_INVALID");
});

test("of too many the one is forgotten that was not seen for the longest time", () => {
  const { publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const known = createKnownSignatures(2);
  known.add("a", publicKey);
  known.add("b", publicKey);
  expect(known.holds("a", publicKey)).toBe(true);
  known.add("c", publicKey);
  expect(["a", "b", "c"].map((text) => known.holds(text, publicKey))).toEqual([true, false, true]);
});
