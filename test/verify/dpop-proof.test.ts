import { createHmac, generateKeyPairSync, type KeyObject } from "node:crypto";
import { describe, expect, test } from "vitest";
import type { UnixSeconds } from "../../src/domain/time.ts";
import { createDpopNonces } from "../../src/verify/dpop-nonce.ts";
import { type DpopExpectations, parseDpopProof, verifyDpopProof } from "../../src/verify/dpop-proof.ts";
import { VerificationError } from "../../src/verify/verification-error.ts";
import { dpopProof, hashOf, METHOD, newHolder, URL_OF_REQUEST } from "./proof-forge.ts";
import { base64url, forge, type Json, NOW, signature } from "./token-forge.ts";

const TOKEN = "a.token.of-somebody";
const holder = await newHolder();
const other = await newHolder();
const p384 = await newHolder("P-384");
const rsa = await newHolder("RSA");

const EXPECTED: DpopExpectations = { method: METHOD, url: URL_OF_REQUEST, token: TOKEN, now: NOW, ageSecondsMax: 60 };

function verify(proof: string, changes: Partial<DpopExpectations> = {}) {
  return verifyDpopProof(parseDpopProof(proof), { ...EXPECTED, ...changes });
}

function refusalOf(proof: string, changes: Partial<DpopExpectations> = {}): string {
  try {
    verify(proof, changes);
    return "accepted";
  } catch (thrown) {
    if (thrown instanceof VerificationError) return `${thrown.code}: ${thrown.message}`;
    throw thrown;
  }
}

/** Signed well by the holder of a key, whatever header and claims say. */
function forged(header: Json, claims: Json = {}, by: { readonly privateKey: KeyObject } = holder): string {
  const all = { jti: "x", htm: METHOD, htu: URL_OF_REQUEST, iat: NOW, ath: hashOf(TOKEN), ...claims };
  return forge(
    JSON.stringify(header),
    JSON.stringify(all),
    signature({ kid: "", ...by } as never, String(header["alg"])),
  );
}

// RFC 9449 section 7.1, figure 12.
const RFC_PROOF =
  "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVV" +
  "FVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiJlMWoz" +
  "Vl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU" +
  "2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPTo" +
  "A1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA";
const RFC_REQUEST = {
  method: "GET",
  url: "https://resource.example.org/protectedresource",
  token: "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU",
  now: 1_562_262_620 as UnixSeconds,
};

describe("a DPoP proof", () => {
  test("of RFC 9449 holds for the request of RFC 9449, and its key is the one that RFC 9449 binds its token to", () => {
    expect(verify(RFC_PROOF, RFC_REQUEST)).toEqual({
      jkt: "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I",
      jti: "e1j3V_bKic8-LAEB",
    });
  });

  test.for([
    { by: holder, alg: "ES256" },
    { by: p384, alg: "ES384" },
    { by: rsa, alg: "RS256" },
    { by: rsa, alg: "PS512" },
  ])("with $alg holds, and names its key by its thumbprint", async ({ by, alg }) => {
    expect(verify(await dpopProof(by, TOKEN, { header: { alg } }))).toMatchObject({ jkt: by.jkt });
  });

  test.for([
    { how: "with a query that the proof leaves out", url: `${URL_OF_REQUEST}?a=b#c`, htu: URL_OF_REQUEST },
    { how: "in other letters", url: URL_OF_REQUEST, htu: "HTTPS://MCP.example.ORG:443/tools" },
    { how: "with needless escapes", url: "https://a.example/~x%2F", htu: "https://a.example/%7Ex%2f" },
    { how: "with dot segments", url: "https://a.example/b", htu: "https://a.example/a/../b" },
    { how: "of a host alone", url: "https://a.example/", htu: "https://a.example" },
  ])("holds for its URL $how", async ({ url, htu }) => {
    const proof = await dpopProof(holder, TOKEN, { claims: { htu } });
    expect(refusalOf(proof, { url })).toBe("accepted");
  });

  test.for([
    { at: "made 60 s ago", iat: NOW - 60, is: "accepted" },
    { at: "made 61 s ago", iat: NOW - 61, is: /PROOF_INVALID.*old/ },
    { at: "whose clock is 5 s ahead", iat: NOW + 5, is: "accepted" },
    { at: "whose clock is 6 s ahead", iat: NOW + 6, is: /PROOF_INVALID.*ahead/ },
    { at: "without a time", iat: undefined, is: /PROOF_INVALID.*iat/ },
    { at: "with a time in words", iat: String(NOW), is: /PROOF_INVALID.*iat/ },
  ])("$at: $is", async ({ iat, is }) => {
    expect(refusalOf(await dpopProof(holder, TOKEN, { claims: { iat } }))).toMatch(is);
  });

  test("refuses everything when the clock is not a number", async () => {
    expect(refusalOf(await dpopProof(holder, TOKEN), { now: Number.NaN as UnixSeconds })).toMatch(/PROOF_INVALID/);
  });

  test.for([
    { what: "another method", claims: { htm: "GET" } },
    { what: "the method in small letters", claims: { htm: "post" } },
    { what: "no method", claims: { htm: undefined } },
    { what: "another path", claims: { htu: "https://mcp.example.org/other" } },
    { what: "another host", claims: { htu: "https://evil.example.org/tools" } },
    { what: "another scheme", claims: { htu: "http://mcp.example.org/tools" } },
    { what: "another port", claims: { htu: "https://mcp.example.org:8443/tools" } },
    { what: "a trailing slash", claims: { htu: `${URL_OF_REQUEST}/` } },
    { what: "a query", claims: { htu: `${URL_OF_REQUEST}?a=b` } },
    { what: "a fragment", claims: { htu: `${URL_OF_REQUEST}#a` } },
    { what: "a user", claims: { htu: "https://user@mcp.example.org/tools" } },
    { what: "a backslash", claims: { htu: "https://mcp.example.org\\tools" } },
    { what: "white space", claims: { htu: ` ${URL_OF_REQUEST}` } },
    { what: "no URL", claims: { htu: undefined } },
    { what: "a list of URLs", claims: { htu: [URL_OF_REQUEST] } },
    { what: "the hash of another token", claims: { ath: base64url("another") } },
    { what: "no hash of the token", claims: { ath: undefined } },
    { what: "no jti", claims: { jti: undefined } },
    { what: "an empty jti", claims: { jti: "" } },
    { what: "a jti that is too long", claims: { jti: "x".repeat(257) } },
  ])("with $what is refused", async ({ claims }) => {
    expect(refusalOf(await dpopProof(holder, TOKEN, { claims }))).toMatch(/^PROOF_INVALID/);
  });

  test.for([
    { what: "the key of somebody else in its header", header: { jwk: other.jwk } },
    { what: "another type", header: { typ: "JWT" } },
    { what: "no type", header: { typ: undefined } },
    { what: "no key", header: { jwk: undefined } },
    { what: "a key for another algorithm", header: { jwk: p384.jwk } },
  ])("with $what is refused", async ({ header }) => {
    expect(refusalOf(await dpopProof(holder, TOKEN, { header }))).toMatch(/^PROOF_INVALID/);
  });

  const good = { alg: "ES256", typ: "dpop+jwt", jwk: holder.jwk };
  test.for([
    { what: "alg none", header: { ...good, alg: "none" } },
    { what: "an algorithm that nobody knows", header: { ...good, alg: "constructor" } },
    { what: "a critical parameter", header: { ...good, crit: ["b64"], b64: true } },
    { what: "a point off its curve", header: { ...good, jwk: { ...holder.jwk, y: holder.jwk.x } } },
    { what: "a key that is no object", header: { ...good, jwk: "key" } },
  ])("with $what is refused", ({ header }) => {
    expect(refusalOf(forged(header))).toMatch(/^PROOF_INVALID/);
  });

  test("that is made by hand is good, but for what is changed here", () => {
    expect(refusalOf(forged(good))).toBe("accepted");
  });

  test.for([
    { what: "a symmetric algorithm", jwk: good.jwk },
    { what: "a symmetric key", jwk: { kty: "oct", k: base64url("secret") } },
  ])("with $what is refused", ({ jwk }) => {
    const claims = { jti: "x", htm: METHOD, htu: URL_OF_REQUEST, iat: NOW, ath: hashOf(TOKEN) };
    const mac = (input: string) => createHmac("sha256", "secret").update(input).digest();
    expect(refusalOf(forge(JSON.stringify({ ...good, alg: "HS256", jwk }), JSON.stringify(claims), mac))).toMatch(
      /^PROOF_INVALID/,
    );
  });

  test("by a key that is too weak is refused", () => {
    const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 1_024 });
    const header = { ...good, alg: "RS256", jwk: publicKey.export({ format: "jwk" }) };
    expect(refusalOf(forged(header, {}, { privateKey }))).toMatch(/^PROOF_INVALID.*algorithms/);
  });

  test("with its private key in its header is refused with the advice to replace it, and does not show it", () => {
    const jwk = holder.privateKey.export({ format: "jwk" });
    const refusal = refusalOf(forged({ ...good, jwk }));
    expect(refusal).toMatch(/^PROOF_INVALID.*this one is private, and to be replaced/);
    expect(refusal).not.toContain(jwk.d);
  });

  test.for([
    { what: "is empty", text: "" },
    { what: "is no JWS", text: "a.b" },
    { what: "is longer than any", text: "x".repeat(8_193) },
  ])("that $what is refused", ({ text }) => {
    expect(refusalOf(text)).toMatch(/^PROOF_INVALID/);
  });

  test("that came twice is refused as that", async () => {
    expect(refusalOf(`${await dpopProof(holder, TOKEN)}, ${await dpopProof(holder, TOKEN)}`)).toMatch(
      /^PROOF_INVALID.*a single one/,
    );
  });

  test("with a signature of somebody else is refused", async () => {
    const [header, payload] = (await dpopProof(holder, TOKEN)).split(".");
    const [, , foreign] = (await dpopProof(other, TOKEN)).split(".");
    expect(refusalOf(`${header}.${payload}.${foreign}`)).toMatch(/^PROOF_INVALID.*signature/);
  });
});

describe("a nonce", () => {
  const secret = Buffer.alloc(32, 7);
  const nonces = createDpopNonces({ secret, periodSeconds: 60 });
  const later = (seconds: number) => (NOW + seconds) as UnixSeconds;
  const proofWith = (nonce: unknown, iat = NOW as number) => dpopProof(holder, TOKEN, { claims: { nonce, iat } });

  test("that is asked for and missing, or somebody else's, is answered with one to use", async () => {
    const others = createDpopNonces({ secret: Buffer.alloc(32, 8), periodSeconds: 60 });
    for (const nonce of [undefined, "", 7, others.current(NOW)]) {
      const proof = await proofWith(nonce);
      expect(() => verify(proof, { nonces })).toThrow(
        expect.objectContaining({ code: "NONCE_REQUIRED", metadata: { nonce: nonces.current(NOW) } }),
      );
    }
  });

  test("is good for its period and for the next, in which a new one comes with the answer", async () => {
    const nonce = nonces.current(NOW);
    const answers = [0, 60, 120].map((seconds) => nonces.judge(nonce, later(seconds)));
    expect(answers).toEqual(["current", "previous", "unknown"]);
    expect(verify(await proofWith(nonce), { nonces })).not.toHaveProperty("nextNonce");
    expect(verify(await proofWith(nonce, NOW + 60), { nonces, now: later(60) })).toMatchObject({
      nextNonce: nonces.current(later(60)),
    });
  });

  test("of one process is good in another that has the secret", () => {
    expect(createDpopNonces({ secret, periodSeconds: 60 }).judge(nonces.current(NOW), NOW)).toBe("current");
  });

  test("that nobody asked for is passed over", async () => {
    expect(refusalOf(await proofWith("whatever"))).toBe("accepted");
  });
});
