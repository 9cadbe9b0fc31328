import process from "node:process";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isSpiffeId } from "../../src/domain/spiffe-id.ts";
import { verifyJwtSvid } from "../../src/verify/jwt-svid.ts";
import { VerificationError } from "../../src/verify/verification-error.ts";
import {
  AUDIENCE,
  bundleSet,
  ecSigner,
  forge,
  jwtBundle,
  mint,
  NOW,
  signature,
  stepClaims,
} from "../verify/token-forge.ts";

// Goal: whatever is presented as a token, the answer is a VerificationError or a token that was signed; never another error.
// Method: fast-check draws texts, changes to a good token, and claims that are well signed but may be anything.
// A failure prints its seed; replay it with FC_SEED=<seed> npx vitest run test/fuzz/token.test.ts; FC_RUNS=<n> for more.

const seed = process.env["FC_SEED"];
const parameters = {
  numRuns: Number(process.env["FC_RUNS"] ?? 500),
  ...(seed === undefined ? {} : { seed: Number(seed) }),
};

const own = ecSigner("own");
const options = { audiences: [AUDIENCE], bundles: bundleSet(jwtBundle("example.org", [own])), now: NOW };
const good = mint(own);

function verify(token: string) {
  try {
    return verifyJwtSvid(token, options);
  } catch (thrown) {
    if (!(thrown instanceof VerificationError)) throw thrown;
    expect(thrown.message).not.toMatch(/["\\\r\n]/);
    return undefined;
  }
}

describe("the token parser", () => {
  test("answers any text with a refusal", () => {
    const parts = fc.oneof(
      fc.string(),
      fc.base64String(),
      fc.json().map((text) => Buffer.from(text).toString("base64url")),
    );
    const texts = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.array(parts, { maxLength: 5 }).map((list) => list.join(".")),
    );
    fc.assert(
      fc.property(texts, (text) => {
        expect(verify(text)).toBeUndefined();
      }),
      parameters,
    );
  });

  test("refuses a good token with anything in it changed, moved, left out or put in", () => {
    const edits = fc.record({ at: fc.nat(good.length), remove: fc.nat(3), insert: fc.string({ maxLength: 4 }) });
    fc.assert(
      fc.property(fc.array(edits, { minLength: 1, maxLength: 3 }), (changes) => {
        let token = good;
        for (const { at, remove, insert } of changes) token = token.slice(0, at) + insert + token.slice(at + remove);
        fc.pre(token !== good);
        expect(verify(token)).toBeUndefined();
      }),
      parameters,
    );
  });

  test("refuses a good token with any one bit of its bytes flipped", () => {
    const [header = "", payload = "", signed = ""] = good.split(".");
    fc.assert(
      fc.property(fc.nat(2), fc.nat(), fc.nat(7), (part, at, bit) => {
        const parts = [header, payload, signed];
        const bytes = Buffer.from(parts[part] ?? "", "base64url");
        const index = at % bytes.length;
        bytes[index] = (bytes[index] ?? 0) ^ (1 << bit);
        parts[part] = bytes.toString("base64url");
        expect(verify(parts.join("."))).toBeUndefined();
      }),
      parameters,
    );
  });

  test("takes well-signed claims of any shape only when all that it returns is what was promised", () => {
    const names = Object.keys(stepClaims());
    const odd = fc.oneof(
      fc.jsonValue(),
      fc.constantFrom("", AUDIENCE, "spiffe://example.org/a", "spiffe://example.org/a/../b", "spiffe://example.org"),
      fc.integer({ min: NOW - 10, max: NOW + 10 }),
      fc.double(),
    );
    const changed = fc.dictionary(fc.constantFrom(...names, "cnf", "act", "crit", "status"), odd, { maxKeys: 4 });
    fc.assert(
      fc.property(changed, (claims) => {
        const payload = JSON.stringify({ ...stepClaims(), ...claims });
        const header = JSON.stringify({ alg: "ES256", kid: "own", typ: "JWT" });
        const verified = verify(forge(header, payload, signature(own, "ES256")));
        if (verified === undefined) return;
        expect(isSpiffeId(verified.spiffeId) && verified.spiffeId.startsWith("spiffe://example.org/")).toBe(true);
        expect(verified.audience).toBe(AUDIENCE);
        expect(NOW).toBeLessThan(verified.expiresAt + 5);
        expect([verified.claims["aud"]].flat()).toEqual([AUDIENCE]);
        expect(verified.claims).not.toHaveProperty("cnf");
        const { step } = verified;
        if (step !== undefined)
          expect(verified.spiffeId).toBe(`${step.agent}/run/${step.runId}/step/${step.step}/${step.attempt}`);
      }),
      parameters,
    );
  });

  test("takes a well-signed header of any shape only when it is one of a JWT-SVID", () => {
    const odd = fc.oneof(fc.jsonValue(), fc.constantFrom("ES256", "own", "JWT", "none", "HS256"));
    const members = fc.constantFrom("alg", "kid", "typ", "jwk", "jku", "crit", "x5c", "b64", "zip");
    fc.assert(
      fc.property(fc.dictionary(members, odd, { maxKeys: 3 }), (changes) => {
        const header = { alg: "ES256", kid: "own", typ: "JWT", ...changes };
        const token = forge(JSON.stringify(header), JSON.stringify(stepClaims()), signature(own, "ES256"));
        const { alg, kid, typ, ...others } = header;
        const isGood =
          alg === "ES256" && kid === "own" && (typ === "JWT" || typ === "JOSE") && Object.keys(others).length === 0;
        expect(verify(token) !== undefined).toBe(isGood);
      }),
      parameters,
    );
  });
});
