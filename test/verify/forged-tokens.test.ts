import { expect, test } from "vitest";
import { verifyJwtSvid } from "../../src/verify/jwt-svid.ts";
import { VerificationError } from "../../src/verify/verification-error.ts";
import {
  AUDIENCE,
  base64url,
  bundleSet,
  ecSigner,
  forge,
  jwtBundle,
  mint,
  NOW,
  rsaSigner,
  type Signer,
  signature,
  stepClaims,
} from "./token-forge.ts";

const own = ecSigner("own");
const rsa = rsaSigner("rsa");
const foreign = ecSigner("foreign");
const stranger = ecSigner("stranger");
/** Of the other trust domain, with a `kid` of ours: who looks up the `kid` alone takes the wrong key. */
const twin = ecSigner("own");
const bundles = bundleSet(jwtBundle("example.org", [own, rsa]), jwtBundle("other.example", [foreign, twin]));

const FOREIGN_SUBJECT = "spiffe://other.example/agent/researcher/run/r1/step/search/1";
const HEADER = { alg: "ES256", kid: "own", typ: "JWT" };

function codeOf(token: unknown): string {
  try {
    verifyJwtSvid(token as string, { audiences: [AUDIENCE], bundles, now: NOW });
    return "accepted";
  } catch (thrown) {
    if (thrown instanceof VerificationError) return thrown.code;
    throw thrown;
  }
}

/** Signed well, with header and claims as these texts say. */
function signedTexts(header: string, payload: string, signer: Signer = own): string {
  return forge(header, payload, signature(signer, "ES256"));
}

const good = mint(own);
const [goodHeader = "", goodPayload = "", goodSignature = ""] = good.split(".");
const claimsText = JSON.stringify(stepClaims());
const headerText = JSON.stringify(HEADER);

test("the token that all these are made from is good", () => {
  expect(codeOf(good)).toBe("accepted");
  expect(codeOf(signedTexts(headerText, claimsText))).toBe("accepted");
});

const none = base64url(JSON.stringify({ ...HEADER, alg: "none" }));
const jwk = stranger.publicKey.export({ format: "jwk" });

test.for([
  { forged: "alg none without a signature", token: `${none}.${goodPayload}.`, is: "ALGORITHM_REFUSED" },
  { forged: "alg none with a signature", token: `${none}.${goodPayload}.${goodSignature}`, is: "ALGORITHM_REFUSED" },
  { forged: "alg None", token: mint(own, { header: { alg: "None" } }), is: "ALGORITHM_REFUSED" },
  { forged: "HS256 with the public key as secret", token: mint(own, { algorithm: "HS256" }), is: "ALGORITHM_REFUSED" },
  { forged: "HS256 with the RSA key as secret", token: mint(rsa, { algorithm: "HS256" }), is: "ALGORITHM_REFUSED" },
  { forged: "alg es256", token: mint(own, { header: { alg: "es256" } }), is: "ALGORITHM_REFUSED" },
  { forged: "alg EdDSA", token: mint(own, { header: { alg: "EdDSA" } }), is: "ALGORITHM_REFUSED" },
  { forged: "alg ES256K", token: mint(own, { header: { alg: "ES256K" } }), is: "ALGORITHM_REFUSED" },
  { forged: "alg __proto__", token: mint(own, { header: { alg: "__proto__" } }), is: "ALGORITHM_REFUSED" },
  { forged: "alg constructor", token: mint(own, { header: { alg: "constructor" } }), is: "ALGORITHM_REFUSED" },
  { forged: "RS256 of an EC key", token: mint(own, { header: { alg: "RS256" } }), is: "ALGORITHM_REFUSED" },
  { forged: "ES384 of a P-256 key", token: mint(own, { header: { alg: "ES384" } }), is: "ALGORITHM_REFUSED" },
  { forged: "ES256 of an RSA key", token: mint(rsa, { header: { alg: "ES256" } }), is: "ALGORITHM_REFUSED" },
  { forged: "alg missing", token: mint(own, { header: { alg: undefined } }), is: "TOKEN_MALFORMED" },
  { forged: "alg a list", token: mint(own, { header: { alg: ["ES256"] } }), is: "TOKEN_MALFORMED" },

  { forged: "a stranger's key under our kid", token: mint({ ...stranger, kid: "own" }), is: "SIGNATURE_INVALID" },
  { forged: "a kid that nobody has", token: mint(stranger), is: "KEY_UNKNOWN" },
  { forged: "kid missing", token: mint(own, { header: { kid: undefined } }), is: "TOKEN_MALFORMED" },
  { forged: "kid empty", token: mint(own, { header: { kid: "" } }), is: "TOKEN_MALFORMED" },
  { forged: "kid a number", token: mint(own, { header: { kid: 1 } }), is: "TOKEN_MALFORMED" },
  { forged: "kid __proto__", token: mint(own, { header: { kid: "__proto__" } }), is: "KEY_UNKNOWN" },
  { forged: "kid a path", token: mint(own, { header: { kid: "../../etc/passwd" } }), is: "KEY_UNKNOWN" },
  { forged: "our subject by another trust domain's key", token: mint(foreign), is: "KEY_UNKNOWN" },
  { forged: "our subject by another's key of the same kid", token: mint(twin), is: "SIGNATURE_INVALID" },
  {
    forged: "another's subject by our key",
    token: mint(own, { claims: { sub: FOREIGN_SUBJECT } }),
    is: "SIGNATURE_INVALID",
  },
  {
    forged: "a subject of a trust domain that is not known",
    token: mint(own, { claims: { sub: "spiffe://nowhere.example/a" } }),
    is: "KEY_UNKNOWN",
  },
  {
    forged: "a trust domain named like an object's member",
    token: mint(own, { claims: { sub: "spiffe://__proto__/a" } }),
    is: "KEY_UNKNOWN",
  },

  { forged: "its own key in jwk", token: mint(stranger, { header: { kid: "own", jwk } }), is: "TOKEN_MALFORMED" },
  { forged: "x5c", token: mint(own, { header: { x5c: ["MIIB"] } }), is: "TOKEN_MALFORMED" },
  { forged: "x5t#S256", token: mint(own, { header: { "x5t#S256": "aGk" } }), is: "TOKEN_MALFORMED" },
  { forged: "jku", token: mint(own, { header: { jku: "https://evil.example/jwks" } }), is: "TOKEN_MALFORMED" },
  { forged: "x5u", token: mint(own, { header: { x5u: "https://evil.example/" } }), is: "TOKEN_MALFORMED" },
  { forged: "crit", token: mint(own, { header: { crit: ["exp"], exp: 1 } }), is: "TOKEN_MALFORMED" },
  { forged: "b64 false", token: mint(own, { header: { b64: false } }), is: "TOKEN_MALFORMED" },
  { forged: "zip", token: mint(own, { header: { zip: "DEF" } }), is: "TOKEN_MALFORMED" },
  { forged: "cty, a nested JWT", token: mint(own, { header: { cty: "JWT" } }), is: "TOKEN_MALFORMED" },
  { forged: "a token within a token", token: signedTexts(headerText, good), is: "TOKEN_MALFORMED" },

  { forged: "nothing", token: "", is: "TOKEN_MALFORMED" },
  { forged: "not a string", token: undefined, is: "TOKEN_MALFORMED" },
  { forged: "an array in disguise", token: [good], is: "TOKEN_MALFORMED" },
  { forged: "two parts", token: `${goodHeader}.${goodPayload}`, is: "TOKEN_MALFORMED" },
  { forged: "four parts", token: `${good}.`, is: "TOKEN_MALFORMED" },
  { forged: "five parts, as a JWE", token: `${good}.AA.AA`, is: "TOKEN_MALFORMED" },
  { forged: "dots alone", token: ".".repeat(8_000), is: "TOKEN_MALFORMED" },
  { forged: "no signature", token: `${goodHeader}.${goodPayload}.`, is: "SIGNATURE_INVALID" },
  {
    forged: "JSON serialization",
    token: JSON.stringify({ protected: goodHeader, payload: goodPayload, signature: goodSignature }),
    is: "TOKEN_MALFORMED",
  },
  { forged: "a space before it", token: ` ${good}`, is: "TOKEN_MALFORMED" },
  { forged: "a line break after it", token: `${good}\n`, is: "TOKEN_MALFORMED" },
  { forged: "a line break within", token: `${good.slice(0, 20)}\n${good.slice(20)}`, is: "TOKEN_MALFORMED" },
  { forged: "padding", token: `${good}==`, is: "TOKEN_MALFORMED" },
  { forged: "bits left over at the end", token: withStrayBits(good), is: "TOKEN_MALFORMED" },
  { forged: "a character beyond ASCII", token: `${good.slice(0, -1)}\u0430`, is: "TOKEN_MALFORMED" },
  { forged: "Bearer before it", token: `Bearer ${good}`, is: "TOKEN_MALFORMED" },
  { forged: "the DER form of its signature", token: derSigned(), is: "SIGNATURE_INVALID" },
  {
    forged: "a signature of zeros",
    token: `${goodHeader}.${goodPayload}.${base64url(new Uint8Array(64))}`,
    is: "SIGNATURE_INVALID",
  },

  {
    forged: "sub twice",
    token: signedTexts(headerText, `{"sub":"spiffe://example.org/admin",${claimsText.slice(1)}`),
    is: "TOKEN_MALFORMED",
  },
  {
    forged: "sub twice, once escaped",
    token: signedTexts(headerText, `{"\\u0073ub":"spiffe://example.org/admin",${claimsText.slice(1)}`),
    is: "TOKEN_MALFORMED",
  },
  {
    forged: "alg twice",
    token: signedTexts(`{"alg":"none",${headerText.slice(1)}`, claimsText),
    is: "TOKEN_MALFORMED",
  },
  {
    forged: "a member twice, deep within",
    token: signedTexts(headerText, `{"x":[{"a":1,"a":1}],${claimsText.slice(1)}`),
    is: "TOKEN_MALFORMED",
  },
  {
    forged: "__proto__ as a claim",
    token: signedTexts(headerText, `{"__proto__":{"cnf":1},${claimsText.slice(1)}`),
    is: "TOKEN_MALFORMED",
  },
  { forged: "claims that are a list", token: signedTexts(headerText, "[]"), is: "TOKEN_MALFORMED" },
  { forged: "claims that are null", token: signedTexts(headerText, "null"), is: "TOKEN_MALFORMED" },
  { forged: "claims that are no JSON", token: signedTexts(headerText, `${claimsText},`), is: "TOKEN_MALFORMED" },
  { forged: "a comment in the claims", token: signedTexts(headerText, `${claimsText}//`), is: "TOKEN_MALFORMED" },
  { forged: "a byte order mark", token: signedTexts(headerText, `\ufeff${claimsText}`), is: "TOKEN_MALFORMED" },
  { forged: "claims that are not UTF-8", token: notUtf8(), is: "TOKEN_MALFORMED" },
  {
    forged: "claims nested without end",
    token: signedTexts(headerText, `{"x":${"[".repeat(2_000)}${"]".repeat(2_000)},${claimsText.slice(1)}`),
    is: "TOKEN_MALFORMED",
  },
  { forged: "a header that is a list", token: signedTexts("[]", claimsText), is: "TOKEN_MALFORMED" },
  { forged: "an empty header", token: `.${goodPayload}.${goodSignature}`, is: "TOKEN_MALFORMED" },
])("$forged is refused: $is", ({ token, is }) => {
  expect(codeOf(token)).toBe(is);
});

test("white space between JSON's own tokens changes nothing", () => {
  expect(codeOf(signedTexts(JSON.stringify(HEADER, undefined, 2), JSON.stringify(stepClaims(), undefined, 2)))).toBe(
    "accepted",
  );
});

test("strings that look like members do not count as such", () => {
  const claims = { note: 'a":"b\\', list: ["x:y", '\\":', '{"sub":1}'], deep: { ":": ":" } };
  expect(codeOf(mint(own, { claims }))).toBe("accepted");
});

test("the twin (r, n - s) of a signature is the same token to everyone: it holds, with the same jti", () => {
  const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
  const bytes = Buffer.from(goodSignature, "base64url");
  const s = BigInt(`0x${bytes.subarray(32).toString("hex")}`);
  const flipped = Buffer.from((order - s).toString(16).padStart(64, "0"), "hex");
  const token = `${goodHeader}.${goodPayload}.${base64url(Buffer.concat([bytes.subarray(0, 32), flipped]))}`;
  expect(token).not.toBe(good);
  const options = { audiences: [AUDIENCE], bundles, now: NOW };
  expect(verifyJwtSvid(token, options)).toEqual(verifyJwtSvid(good, options));
});

test.for([
  { weak: "an RSA key of 1024 bits", signer: rsaSigner("weak", 1_024), algorithm: "RS256" },
  { weak: "an RSA key with exponent 3", signer: rsaSigner("weak", 2_048, 3), algorithm: "RS256" },
  { weak: "a key on secp256k1", signer: ecSigner("weak", "secp256k1"), algorithm: "ES256" },
])("$weak verifies nothing, even in the bundle", ({ signer, algorithm }) => {
  const weakBundles = bundleSet(jwtBundle("example.org", [own, signer]));
  const options = { audiences: [AUDIENCE], bundles: weakBundles, now: NOW };
  expect(() => verifyJwtSvid(mint(signer, { algorithm }), options)).toThrow(
    expect.objectContaining({ code: "KEY_UNKNOWN" }),
  );
  expect(verifyJwtSvid(mint(own), options).keyId).toBe("own");
});

/** The same bytes written another way: the last character's unused bits set. */
function withStrayBits(token: string): string {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  return token.slice(0, -1) + alphabet.charAt(alphabet.indexOf(token.slice(-1)) | 1);
}

function derSigned(): string {
  const bytes = Buffer.from(goodSignature, "base64url");
  const der = Buffer.concat([
    Buffer.from([0x30, 68, 2, 32]),
    bytes.subarray(0, 32),
    Buffer.from([2, 32]),
    bytes.subarray(32),
  ]);
  return `${goodHeader}.${goodPayload}.${base64url(der)}`;
}

function notUtf8(): string {
  const payload = Buffer.concat([
    Buffer.from('{"x":"'),
    Buffer.from([0xff, 0xfe]),
    Buffer.from(`",${claimsText.slice(1)}`),
  ]);
  const input = `${goodHeader}.${base64url(payload)}`;
  return `${input}.${base64url(signature(own, "ES256")(input))}`;
}
