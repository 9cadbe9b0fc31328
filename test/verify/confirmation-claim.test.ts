import { describe, expect, test } from "vitest";
import type { Possession } from "../../src/verify/confirmation-claim.ts";
import { type VerifiedJwtSvid, verifyJwtSvid } from "../../src/verify/jwt-svid.ts";
import { VerificationError } from "../../src/verify/verification-error.ts";
import { AUDIENCE, bundleSet, ecSigner, jwtBundle, mint, NOW } from "./token-forge.ts";

const own = ecSigner("own");
const bundles = bundleSet(jwtBundle("example.org", [own]));
const KEY = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
const CERTIFICATE = "A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0";
const OTHER = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs";

function verify(cnf: unknown, confirmation: Possession): VerifiedJwtSvid {
  const token = mint(own, { claims: { cnf } });
  return verifyJwtSvid(token, { audiences: [AUDIENCE], bundles, now: NOW, confirmation });
}

describe("a token that is bound", () => {
  test.for<{ to: string; cnf: unknown; presented: Possession; is: string }>([
    { to: "a key, with its proof", cnf: { jkt: KEY }, presented: { jkt: KEY }, is: "accepted" },
    {
      to: "a key, with its proof and any certificate",
      cnf: { jkt: KEY },
      presented: { jkt: KEY, "x5t#S256": OTHER },
      is: "accepted",
    },
    { to: "a key, alone", cnf: { jkt: KEY }, presented: {}, is: "PROOF_REQUIRED" },
    { to: "a key, with the proof of another", cnf: { jkt: KEY }, presented: { jkt: OTHER }, is: "PROOF_MISMATCH" },
    {
      to: "a key, with a certificate of that hash",
      cnf: { jkt: KEY },
      presented: { "x5t#S256": KEY },
      is: "PROOF_REQUIRED",
    },
    {
      to: "a certificate, with it",
      cnf: { "x5t#S256": CERTIFICATE },
      presented: { "x5t#S256": CERTIFICATE },
      is: "accepted",
    },
    { to: "a certificate, alone", cnf: { "x5t#S256": CERTIFICATE }, presented: {}, is: "PROOF_REQUIRED" },
    {
      to: "a certificate, with another",
      cnf: { "x5t#S256": CERTIFICATE },
      presented: { "x5t#S256": OTHER },
      is: "PROOF_MISMATCH",
    },
    {
      to: "a certificate, with it and with a proof of a key",
      cnf: { "x5t#S256": CERTIFICATE },
      presented: { "x5t#S256": CERTIFICATE, jkt: KEY },
      is: "PROOF_MISMATCH",
    },
    { to: "nothing, alone", cnf: undefined, presented: {}, is: "accepted" },
    { to: "nothing, with any certificate", cnf: undefined, presented: { "x5t#S256": OTHER }, is: "accepted" },
    { to: "nothing, with a proof", cnf: undefined, presented: { jkt: KEY }, is: "PROOF_MISMATCH" },
    {
      to: "several things",
      cnf: { jkt: KEY, "x5t#S256": CERTIFICATE },
      presented: { jkt: KEY, "x5t#S256": CERTIFICATE },
      is: "CLAIMS_INVALID",
    },
    { to: "a key and something unknown", cnf: { jkt: KEY, kid: "x" }, presented: { jkt: KEY }, is: "CLAIMS_INVALID" },
    { to: "something unknown", cnf: { kid: "x" }, presented: { jkt: KEY }, is: "CLAIMS_INVALID" },
    { to: "a member that every object has", cnf: { constructor: KEY }, presented: {}, is: "CLAIMS_INVALID" },
    { to: "what is no digest", cnf: { jkt: "x" }, presented: { jkt: "x" }, is: "CLAIMS_INVALID" },
    { to: "a digest with stray bits", cnf: { jkt: `${KEY.slice(0, -1)}J` }, presented: {}, is: "CLAIMS_INVALID" },
    { to: "an empty object", cnf: {}, presented: {}, is: "CLAIMS_INVALID" },
    { to: "a list", cnf: [{ jkt: KEY }], presented: { jkt: KEY }, is: "CLAIMS_INVALID" },
    { to: "null", cnf: null, presented: {}, is: "CLAIMS_INVALID" },
  ])("to $to: $is", ({ cnf, presented, is }) => {
    let found = "accepted";
    try {
      const { confirmation } = verify(cnf, presented);
      expect(confirmation).toEqual(cnf);
    } catch (thrown) {
      if (!(thrown instanceof VerificationError)) throw thrown;
      found = thrown.code;
    }
    expect(found).toBe(is);
  });

  test("says which proof it takes", () => {
    expect(() => verify({ jkt: KEY }, {})).toThrow(expect.objectContaining({ metadata: { proof: "dpop" } }));
    expect(() => verify({ "x5t#S256": CERTIFICATE }, {})).toThrow(
      expect.objectContaining({ metadata: { proof: "mtls" } }),
    );
  });
});
