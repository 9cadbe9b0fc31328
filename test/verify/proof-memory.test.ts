import { describe, expect, test } from "vitest";
import { addSeconds, type UnixSeconds } from "../../src/domain/time.ts";
import { dpopProofSeconds, parseDpopProof, verifyDpopProof } from "../../src/verify/dpop-proof.ts";
import { VerificationError } from "../../src/verify/verification-error.ts";
import { dpopProof, hashOf, METHOD, newHolder, URL_OF_REQUEST } from "./proof-forge.ts";
import { forge, type Json, NOW, signature } from "./token-forge.ts";

const TOKEN = "a.token.of-somebody";
const AGE_SECONDS_MAX = 60;
const holder = await newHolder();

function isTaken(
  proof: string,
  { now = NOW, url = URL_OF_REQUEST }: { now?: UnixSeconds; url?: string } = {},
): boolean {
  try {
    verifyDpopProof(parseDpopProof(proof), { method: METHOD, url, token: TOKEN, now, ageSecondsMax: AGE_SECONDS_MAX });
    return true;
  } catch (thrown) {
    if (thrown instanceof VerificationError && thrown.code === "PROOF_INVALID") return false;
    throw thrown;
  }
}

test("a DPoP proof is remembered for as long as it could be presented a second time", async () => {
  const proof = await dpopProof(holder, TOKEN);
  const taken = Array.from({ length: 200 }, (_, index) => addSeconds(NOW, index - 100)).filter((now) =>
    isTaken(proof, { now }),
  );
  const first = taken[0] ?? NOW;
  const last = taken.at(-1) ?? NOW;
  expect(taken).toHaveLength(last - first + 1);
  expect(last - first).toBe(dpopProofSeconds(AGE_SECONDS_MAX));
});

test("a request whose own URL is none is matched by no proof, whatever the proof says of it", async () => {
  const claims = { htu: "nowhere" };
  expect(isTaken(await dpopProof(holder, TOKEN, { claims }), { url: "nowhere" })).toBe(false);
});

describe("a DPoP proof is refused, and not stumbled over, whose claims are", () => {
  const header: Json = { typ: "dpop+jwt", alg: "ES256", jwk: holder.jwk };
  const withClaims = (text: string) =>
    forge(JSON.stringify(header), text, signature({ kid: "", privateKey: holder.privateKey } as never, "ES256"));

  test.for([
    { what: "a list", text: "[]" },
    { what: "a text", text: '"x"' },
    { what: "null", text: "null" },
    { what: "not JSON", text: "{" },
    { what: "an object with a member twice", text: `{"ath":"${hashOf(TOKEN)}","ath":"x"}` },
  ])("$what", ({ text }) => {
    expect(isTaken(withClaims(text))).toBe(false);
  });
});
