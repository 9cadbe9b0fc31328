import fc from "fast-check";
import { expect, test } from "vitest";
import { parseDpopProof, verifyDpopProof } from "../../src/verify/dpop-proof.ts";
import { verifyTxnToken } from "../../src/verify/txn-token.ts";
import { VerificationError } from "../../src/verify/verification-error.ts";
import { verifyWitSvid } from "../../src/verify/wit-svid.ts";
import { verifyWorkloadProofToken } from "../../src/verify/workload-proof-token.ts";
import { METHOD, newHolder, txnToken, URL_OF_REQUEST, witSvid, workloadProof } from "../verify/proof-forge.ts";
import { AUDIENCE, bundleSet, ecSigner, forge, jwtBundle, NOW, signature } from "../verify/token-forge.ts";

// Goal: whatever is presented as a proof of possession, the answer is a VerificationError; never another error, and never a yes.
// Method: texts, and JWS of a real key with odd headers and odd claims. Replay: FC_SEED=<seed> npx vitest run test/fuzz/proof.test.ts

const holder = await newHolder();
const signer = ecSigner("wit");
const { keys } = jwtBundle("example.org", [signer]);
const bundles = bundleSet({ ...jwtBundle("example.org", []), witKeys: keys, txnTokenKeys: keys });
const wit = witSvid(signer, holder);
const { confirmationKey: key } = verifyWitSvid(wit, { bundles, now: NOW });

const ofRequest = { key, url: URL_OF_REQUEST, wit, now: NOW, secondsMax: 60 };

const ACTS: readonly ((text: string) => unknown)[] = [
  (text) =>
    verifyDpopProof(parseDpopProof(text), {
      method: METHOD,
      url: URL_OF_REQUEST,
      token: "t",
      now: NOW,
      ageSecondsMax: 60,
    }),
  (text) => verifyWorkloadProofToken(text, ofRequest),
  (text) => verifyWorkloadProofToken(text, { ...ofRequest, transactionToken: "t" }),
  (text) => verifyWitSvid(text, { bundles, now: NOW }),
  (text) => verifyTxnToken(text, { bundles, audiences: [AUDIENCE], now: NOW }),
];

function isRefused(text: string): void {
  for (const act of ACTS) {
    try {
      expect(act(text)).toBe("refused");
    } catch (thrown) {
      if (!(thrown instanceof VerificationError)) throw thrown;
    }
  }
}

const odd = fc.oneof(
  fc.jsonValue(),
  fc.constantFrom(holder.jwk, { jwk: holder.jwk }, NOW, URL_OF_REQUEST, METHOD, "ES256"),
);
const name = fc.oneof(
  fc.string(),
  fc.constantFrom(
    "alg",
    "typ",
    "jwk",
    "kid",
    "crit",
    "htm",
    "htu",
    "iat",
    "ath",
    "jti",
    "aud",
    "exp",
    "wth",
    "oth",
    "tth",
    "tctx",
    "location",
    "authorization_details",
    "req_wl",
    "txn",
    "scope",
    "step_id",
    "cnf",
    "sub",
  ),
);
const members = fc.dictionary(name, odd, { maxKeys: 8 });
const types = fc.constantFrom("dpop+jwt", "wpt+jwt", "wit+jwt", "txntoken+jwt", "JWT");

test("texts", () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.base64String(),
        fc.string().map((text) => `${text}.${text}.${text}`),
      ),
      isRefused,
    ),
  );
});

test("well signed, with odd headers and claims", () => {
  const signed = signature({ kid: "", ...holder } as never, "ES256");
  fc.assert(
    fc.property(types, members, members, (typ, header, claims) => {
      isRefused(
        forge(JSON.stringify({ alg: "ES256", typ, jwk: holder.jwk, ...header }), JSON.stringify(claims), signed),
      );
    }),
  );
});

test("a good one with any one character changed", async () => {
  const tokens = [wit, txnToken(signer), await workloadProof(holder, wit)];
  expect(ACTS.filter((act) => tokens.some((token) => isTaken(act, token)))).toHaveLength(tokens.length);
  fc.assert(
    fc.property(fc.constantFrom(...tokens), fc.nat(), fc.string({ minLength: 1, maxLength: 2 }), (token, at, text) => {
      const index = at % token.length;
      const changed = `${token.slice(0, index)}${text}${token.slice(index + 1)}`;
      // What differs in the bits alone that pad the last character of a signature is the same token to some, and here none.
      if (changed !== token) isRefused(changed);
    }),
  );
});

function isTaken(act: (text: string) => unknown, text: string): boolean {
  try {
    act(text);
    return true;
  } catch {
    return false;
  }
}
