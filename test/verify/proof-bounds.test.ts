import { expect, test } from "vitest";
import { parseDpopProof, verifyDpopProof } from "../../src/verify/dpop-proof.ts";
import { VerificationError } from "../../src/verify/verification-error.ts";
import { dpopProof, METHOD, newHolder, URL_OF_REQUEST } from "./proof-forge.ts";
import { type Json, NOW } from "./token-forge.ts";

const TOKEN = "a.token.of-somebody";
const holder = await newHolder();

async function answerTo(claims: Json): Promise<{ readonly code: string; readonly length: number }> {
  const proof = await dpopProof(holder, TOKEN, { claims });
  try {
    const expected = { method: METHOD, url: URL_OF_REQUEST, token: TOKEN, now: NOW, ageSecondsMax: 60 };
    verifyDpopProof(parseDpopProof(proof), expected);
    return { code: "accepted", length: proof.length };
  } catch (thrown) {
    if (thrown instanceof VerificationError) return { code: thrown.code, length: proof.length };
    throw thrown;
  }
}

test("a proof has at most 8192 characters: good as it may be, a longer one is not looked into", async () => {
  const { length: shortest } = await answerTo({ padding: "" });
  // Three characters of a claim are four of the proof.
  const about = Math.floor(((8_192 - shortest) * 3) / 4);
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, index) => answerTo({ padding: "x".repeat(about - 10 + index) })),
  );
  for (const { code, length } of answers)
    expect(code, String(length)).toBe(length <= 8_192 ? "accepted" : "PROOF_INVALID");
  expect(new Set(answers.map(({ code }) => code))).toEqual(new Set(["accepted", "PROOF_INVALID"]));
});

test("what a proof is remembered by has 1 to 256 characters", async () => {
  expect((await answerTo({ jti: "j".repeat(256) })).code).toBe("accepted");
  for (const jti of ["", "j".repeat(257), 7, undefined]) expect((await answerTo({ jti })).code).toBe("PROOF_INVALID");
});
