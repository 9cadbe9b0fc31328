import { expect, test } from "vitest";
import { addSeconds, type UnixSeconds } from "../../src/domain/time.ts";
import { proofKeyOf } from "../../src/verify/proof-key.ts";
import { VerificationError } from "../../src/verify/verification-error.ts";
import { verifyWitSvid } from "../../src/verify/wit-svid.ts";
import { verifyWorkloadProofToken, workloadProofSeconds } from "../../src/verify/workload-proof-token.ts";
import { codeOf } from "./code-of.ts";
import { newHolder, URL_OF_REQUEST, witSvid, workloadProof } from "./proof-forge.ts";
import { bundleSet, ecSigner, type Json, jwtBundle, NOW } from "./token-forge.ts";

const own = ecSigner("wit");
const holder = await newHolder();
const bundles = bundleSet({ ...jwtBundle("example.org", []), witKeys: jwtBundle("example.org", [own]).keys });
const wit = witSvid(own, holder);
const key = proofKeyOf(holder.jwk, "ES256", () => new VerificationError("PROOF_INVALID", "no key"));
const SECONDS_MAX = 300;

const codeOfWit = (text: string) => codeOf(() => verifyWitSvid(text, { bundles, now: NOW }));

function codeOfProof(proof: string, { now = NOW, url = URL_OF_REQUEST }: { now?: UnixSeconds; url?: string } = {}) {
  return codeOf(() => verifyWorkloadProofToken(proof, { key, url, wit, now, secondsMax: SECONDS_MAX }));
}

/** Around the bound of 8192 characters: three characters of a claim are four of the token. */
async function aroundTheBound(make: (claims: Json) => string | Promise<string>): Promise<readonly string[]> {
  const { length: shortest } = await make({ padding: "" });
  const about = Math.floor(((8_192 - shortest) * 3) / 4);
  return Promise.all(Array.from({ length: 20 }, (_, index) => make({ padding: "x".repeat(about - 10 + index) })));
}

test("a WIT-SVID has at most 8192 characters: good as it may be, a longer one is not looked into", async () => {
  const tokens = await aroundTheBound((claims) => witSvid(own, holder, { claims }));
  for (const token of tokens) expect(codeOfWit(token)).toBe(token.length <= 8_192 ? "accepted" : "TOKEN_MALFORMED");
  expect(new Set(tokens.map(codeOfWit)).size).toBe(2);
});

test("a WIT-SVID's jti is told where it has one", () => {
  const verify = (claims: Json) => verifyWitSvid(witSvid(own, holder, { claims }), { bundles, now: NOW });
  expect(verify({ jti: "wit-1" })).toMatchObject({ jti: "wit-1" });
  expect(verify({ jti: undefined })).not.toHaveProperty("jti");
});

test("so has a Workload Proof Token, and two of them are none", async () => {
  const proofs = await aroundTheBound((claims) => workloadProof(holder, wit, { claims }));
  for (const proof of proofs) expect(codeOfProof(proof)).toBe(proof.length <= 8_192 ? "accepted" : "PROOF_INVALID");
  expect(new Set(proofs.map((proof) => codeOfProof(proof))).size).toBe(2);
  const proof = await workloadProof(holder, wit);
  expect(codeOfProof(`${proof},${proof}`)).toBe("PROOF_INVALID");
});

test("a Workload Proof Token is remembered for as long as it could be presented a second time", async () => {
  const proof = await workloadProof(holder, wit, { claims: { exp: NOW } });
  const taken = Array.from({ length: 800 }, (_, index) => addSeconds(NOW, index - 400)).filter(
    (now) => codeOfProof(proof, { now }) === "accepted",
  );
  const first = taken[0] ?? NOW;
  // Until right before the instant after the last second in which it is taken.
  const end = addSeconds(taken.at(-1) ?? NOW, 1);
  expect(taken).toHaveLength(end - first);
  expect(end - first).toBe(workloadProofSeconds(SECONDS_MAX));
});

test.for([undefined, String(NOW + 30), NOW + 30.5, null])(
  "a Workload Proof Token that ends at %j ends never, and is refused",
  async (exp) => {
    expect(codeOfProof(await workloadProof(holder, wit, { claims: { exp } }))).toBe("PROOF_INVALID");
  },
);

test("a request whose own URL is none is matched by no Workload Proof Token", async () => {
  const proof = await workloadProof(holder, wit, { claims: { aud: "nowhere" } });
  expect(codeOfProof(proof, { url: "nowhere" })).toBe("PROOF_INVALID");
});
