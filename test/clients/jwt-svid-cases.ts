import { LIMITS } from "../../src/domain/limits.ts";
import {
  AUDIENCE,
  base64url,
  ecSigner,
  forge,
  ISSUER,
  type Json,
  mint,
  NOW,
  rsaSigner,
  type Signer,
  SUBJECT,
  signature,
  stepClaims,
} from "../verify/token-forge.ts";
import type { JwtSvidCase } from "./jwt-svid-vectors.ts";

// The cases of test/vectors/jwt-svid.json, before their tokens are pinned: every rule that a verifier in any language has to keep.

export const SIGNERS = {
  own: ecSigner("own"),
  p384: ecSigner("p384", "P-384"),
  p521: ecSigner("p521", "P-521"),
  rsa: rsaSigner("rsa"),
  weak: rsaSigner("weak", 1_024),
  lowExponent: rsaSigner("low-exponent", 2_048, 3),
  koblitz: ecSigner("koblitz", "secp256k1"),
  narrowed: rsaSigner("narrowed"),
  foreign: ecSigner("foreign"),
  /** Of the other trust domain, with a `kid` of ours: who looks up the `kid` alone takes the wrong key. */
  twin: ecSigner("own"),
  development: ecSigner("own"),
} as const;
const { own, p384, p521, rsa, narrowed, foreign, twin } = SIGNERS;
const stranger = ecSigner("stranger");

type Draft = Pick<JwtSvidCase, "name" | "token" | "settings"> & { readonly is: string };
const draft = (name: string, is: string, token: string, settings: JwtSvidCase["settings"] = {}): Draft => ({
  name,
  token,
  settings,
  is,
});
const claimed = (name: string, is: string, claims: Json, settings: JwtSvidCase["settings"] = {}): Draft =>
  draft(name, is, mint(own, { claims }), settings);

const HEADER = { alg: "ES256", kid: "own", typ: "JWT" };
const headerText = JSON.stringify(HEADER);
const claimsText = JSON.stringify(stepClaims());
const good = mint(own);
const [goodHeader = "", goodPayload = "", goodSignature = ""] = good.split(".");

/** Signed well, with header and claims as these texts say. */
function signedTexts(header: string, payload: string): string {
  return forge(header, payload, signature(own, "ES256"));
}

const withMember = (member: string): string => signedTexts(headerText, `{${member},${claimsText.slice(1)}`);
const nested = (levels: number): string => withMember(`"x":${"[".repeat(levels)}${"]".repeat(levels)}`);

/** The same bytes written another way: the last character's unused bits set. */
function withStrayBits(token: string): string {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  return token.slice(0, -1) + alphabet.charAt(alphabet.indexOf(token.slice(-1)) | 1);
}

function changedSignature(signer: Signer, algorithm: string): string {
  const token = mint(signer, { algorithm });
  const dot = token.lastIndexOf(".");
  const changed = Buffer.from(token.slice(dot + 1), "base64url");
  changed[7] = (changed[7] ?? 0) ^ 1;
  return `${token.slice(0, dot)}.${changed.toString("base64url")}`;
}

function derSigned(): string {
  const bytes = Buffer.from(goodSignature, "base64url");
  const halves = [bytes.subarray(0, 32), bytes.subarray(32)] as const;
  const der = Buffer.concat([Buffer.from([0x30, 68, 2, 32]), halves[0], Buffer.from([2, 32]), halves[1]]);
  return `${goodHeader}.${goodPayload}.${base64url(der)}`;
}

function twinSignature(): string {
  const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
  const bytes = Buffer.from(goodSignature, "base64url");
  const s = BigInt(`0x${bytes.subarray(32).toString("hex")}`);
  const flipped = Buffer.from((order - s).toString(16).padStart(64, "0"), "hex");
  return `${goodHeader}.${goodPayload}.${base64url(Buffer.concat([bytes.subarray(0, 32), flipped]))}`;
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

/** Tokens of the largest length that is taken, and three characters more. */
function longest(): { readonly taken: string; readonly refused: string } {
  const room = (filler: number) => mint(own, { claims: { filler: "x".repeat(filler) } });
  let filler = 5_000;
  while (room(filler + 3).length <= LIMITS.jwtPresentedBytesMax) filler += 3;
  return { taken: room(filler), refused: room(filler + 3) };
}

const accepted: readonly Draft[] = [
  draft("a good token", "accepted", good),
  claimed("a delegated step, on behalf of a person, in a workflow", "accepted", {
    workflow: "report",
    parent_step_id: "step_parent",
    principal: { iss: "https://login.example.org", sub: "u-17", salt: "AAAA" },
  }),
  claimed("a token that names no step identifies its workload", "accepted", {
    ...{ step_id: undefined, run_id: undefined, step: undefined, attempt: undefined, client_id: undefined },
    ...{ sub: "spiffe://example.org/db", scope: undefined, authorization_details: undefined, jti: undefined },
    ...{ iat: undefined, nbf: undefined },
  }),
  claimed("an agent with a path of several segments", "accepted", {
    sub: "spiffe://example.org/team/agent/x/run/r/step/s/run/r1/step/search/1",
    client_id: "spiffe://example.org/team/agent/x/run/r/step/s",
  }),
  draft("white space between the tokens of JSON", "accepted", signedTexts(headerText, ` \n${claimsText}\t\r`)),
  claimed("strings that look like members", "accepted", {
    note: 'a":"b\\',
    list: ["x:y", '\\":', '{"sub":1}'],
    deep: { ":": ":" },
  }),
  draft("the twin (r, n - s) of a signature", "accepted", twinSignature()),
  draft("the longest token", "accepted", longest().taken),
  draft("too long", "TOKEN_MALFORMED", longest().refused),
  draft("15 levels in the claims", "accepted", nested(15)),
  draft("16 levels in the claims", "TOKEN_MALFORMED", nested(16)),
  draft("numbers of another spelling", "accepted", withMember('"x":1e400,"y":-0,"z":1.0E+2')),
  draft("a number of thousands of digits", "accepted", withMember(`"x":${"9".repeat(4_400)}`)),
  draft(
    "instants as fractions without a rest",
    "accepted",
    signedTexts(headerText, claimsText.replace(`"iat":${NOW}`, `"iat":${NOW}.0`)),
  ),
];

const algorithms: readonly Draft[] = [
  ...[
    ["ES256", own],
    ["ES384", p384],
    ["ES512", p521],
    ["RS256", rsa],
    ["RS384", rsa],
    ["RS512", rsa],
    ["PS256", rsa],
    ["PS384", rsa],
    ["PS512", rsa],
  ].flatMap((pair): Draft[] => {
    const [algorithm, signer] = pair as [string, Signer];
    return [
      draft(`${algorithm} of a key that is for it`, "accepted", mint(signer, { algorithm })),
      draft(`${algorithm} with a changed signature`, "SIGNATURE_INVALID", changedSignature(signer, algorithm)),
    ];
  }),
  draft(
    "alg none without a signature",
    "ALGORITHM_REFUSED",
    `${base64url(JSON.stringify({ ...HEADER, alg: "none" }))}.${goodPayload}.`,
  ),
  draft("HS256 with the public key as secret", "ALGORITHM_REFUSED", mint(own, { algorithm: "HS256" })),
  draft("HS256 with the RSA key as secret", "ALGORITHM_REFUSED", mint(rsa, { algorithm: "HS256" })),
  ...["None", "es256", "EdDSA", "ES256K", "__proto__", "constructor"].map((alg) =>
    draft(`alg ${alg}`, "ALGORITHM_REFUSED", mint(own, { header: { alg } })),
  ),
  draft("RS256 of an EC key", "ALGORITHM_REFUSED", mint(own, { header: { alg: "RS256" } })),
  draft("ES384 of a P-256 key", "ALGORITHM_REFUSED", mint(own, { header: { alg: "ES384" } })),
  draft("ES256 of an RSA key", "ALGORITHM_REFUSED", mint(rsa, { header: { alg: "ES256" } })),
  draft("the one algorithm of a key that has one", "accepted", mint(narrowed, { algorithm: "PS256" })),
  draft("another algorithm of a key that has one", "ALGORITHM_REFUSED", mint(narrowed, { algorithm: "RS256" })),
  draft("an RSA key of 1024 bits", "KEY_UNKNOWN", mint(SIGNERS.weak, { algorithm: "RS256" })),
  draft("an RSA key with exponent 3", "KEY_UNKNOWN", mint(SIGNERS.lowExponent, { algorithm: "RS256" })),
  draft("a key on secp256k1", "KEY_UNKNOWN", mint(SIGNERS.koblitz)),
  draft("the DER form of a signature", "SIGNATURE_INVALID", derSigned()),
  draft("a signature of zeros", "SIGNATURE_INVALID", `${goodHeader}.${goodPayload}.${base64url(new Uint8Array(64))}`),
  draft("no signature", "SIGNATURE_INVALID", `${goodHeader}.${goodPayload}.`),
];

const jwk = stranger.publicKey.export({ format: "jwk" });
const headers: readonly Draft[] = [
  ...["JOSE", undefined].map((typ) => draft(`typ ${typ}`, "accepted", mint(own, { header: { typ } }))),
  ...["jwt", "at+jwt", "wit+jwt", "txntoken+jwt", "", null, ["JWT"], 1].map((typ) =>
    draft(`typ ${JSON.stringify(typ)}`, "TOKEN_MALFORMED", mint(own, { header: { typ } })),
  ),
  ...Object.entries<Json>({
    "alg missing": { alg: undefined },
    "alg a list": { alg: ["ES256"] },
    "kid missing": { kid: undefined },
    "kid empty": { kid: "" },
    "kid a number": { kid: 1 },
    "its own key in jwk": { jwk },
    x5c: { x5c: ["MIIB"] },
    "x5t#S256": { "x5t#S256": "aGk" },
    jku: { jku: "https://evil.example/jwks" },
    x5u: { x5u: "https://evil.example/" },
    crit: { crit: ["exp"], exp: 1 },
    "b64 false": { b64: false },
    zip: { zip: "DEF" },
    "cty, a nested JWT": { cty: "JWT" },
  }).map(([name, header]) => draft(name, "TOKEN_MALFORMED", mint(own, { header }))),
  draft("kid __proto__", "KEY_UNKNOWN", mint(own, { header: { kid: "__proto__" } })),
  draft("kid a path", "KEY_UNKNOWN", mint(own, { header: { kid: "../../etc/passwd" } })),
  draft("alg twice", "TOKEN_MALFORMED", signedTexts(`{"alg":"none",${headerText.slice(1)}`, claimsText)),
  draft("a header that is a list", "TOKEN_MALFORMED", signedTexts("[]", claimsText)),
  draft("an empty header", "TOKEN_MALFORMED", `.${goodPayload}.${goodSignature}`),
];

const shapes: readonly Draft[] = [
  draft("nothing", "TOKEN_MALFORMED", ""),
  draft("two parts", "TOKEN_MALFORMED", `${goodHeader}.${goodPayload}`),
  draft("four parts", "TOKEN_MALFORMED", `${good}.`),
  draft("five parts, as a JWE", "TOKEN_MALFORMED", `${good}.AA.AA`),
  draft("dots alone", "TOKEN_MALFORMED", ".".repeat(100)),
  draft("a space before it", "TOKEN_MALFORMED", ` ${good}`),
  draft("a line break after it", "TOKEN_MALFORMED", `${good}\n`),
  draft("a line break within", "TOKEN_MALFORMED", `${good.slice(0, 20)}\n${good.slice(20)}`),
  draft("padding", "TOKEN_MALFORMED", `${good}==`),
  draft("padding of the header", "TOKEN_MALFORMED", `${goodHeader}=.${goodPayload}.${goodSignature}`),
  draft("bits left over at the end", "TOKEN_MALFORMED", withStrayBits(good)),
  draft("base64 instead of base64url", "TOKEN_MALFORMED", `${goodHeader}.${goodPayload}.${"+/".repeat(43)}`),
  draft("a character beyond ASCII", "TOKEN_MALFORMED", `${good.slice(0, -1)}\u0430`),
  draft("a full-width digit", "TOKEN_MALFORMED", `${good.slice(0, -1)}\uff11`),
  draft("Bearer before it", "TOKEN_MALFORMED", `Bearer ${good}`),
  draft("a token within a token", "TOKEN_MALFORMED", signedTexts(headerText, good)),
  draft("sub twice", "TOKEN_MALFORMED", withMember('"sub":"spiffe://example.org/admin"')),
  draft("sub twice, once escaped", "TOKEN_MALFORMED", withMember('"\\u0073ub":"spiffe://example.org/admin"')),
  draft("a member twice, deep within", "TOKEN_MALFORMED", withMember('"x":[{"a":1,"a":1}]')),
  draft("__proto__ as a claim", "TOKEN_MALFORMED", withMember('"__proto__":{"cnf":1}')),
  draft("claims that are a list", "TOKEN_MALFORMED", signedTexts(headerText, "[]")),
  draft("claims that are null", "TOKEN_MALFORMED", signedTexts(headerText, "null")),
  draft("claims that are no JSON", "TOKEN_MALFORMED", signedTexts(headerText, `${claimsText},`)),
  draft("NaN in the claims", "TOKEN_MALFORMED", withMember('"x":NaN')),
  draft("Infinity in the claims", "TOKEN_MALFORMED", withMember('"x":-Infinity')),
  draft("a control character in a string", "TOKEN_MALFORMED", withMember('"x":"a\u0001b"')),
  draft("a comment in the claims", "TOKEN_MALFORMED", signedTexts(headerText, `${claimsText}//`)),
  draft("a byte order mark", "TOKEN_MALFORMED", signedTexts(headerText, `\ufeff${claimsText}`)),
  draft("claims that are not UTF-8", "TOKEN_MALFORMED", notUtf8()),
  draft("claims nested without end", "TOKEN_MALFORMED", nested(1_500)),
];

const FOREIGN_SUBJECT = "spiffe://other.example/agent/researcher/run/r1/step/search/1";
const trust: readonly Draft[] = [
  draft("a stranger's key under our kid", "SIGNATURE_INVALID", mint({ ...stranger, kid: "own" })),
  draft("a kid that nobody has", "KEY_UNKNOWN", mint(stranger)),
  draft("our subject by another trust domain's key", "KEY_UNKNOWN", mint(foreign)),
  draft("our subject by another's key of the same kid", "SIGNATURE_INVALID", mint(twin)),
  claimed("another's subject by our key", "SIGNATURE_INVALID", { sub: FOREIGN_SUBJECT }),
  draft(
    "another's step by its own key and issuer",
    "accepted",
    mint(foreign, {
      claims: {
        sub: FOREIGN_SUBJECT,
        client_id: "spiffe://other.example/agent/researcher",
        iss: "https://stint.other.example",
      },
    }),
  ),
  draft(
    "another's step in our issuer's name",
    "ISSUER_MISMATCH",
    mint(foreign, { claims: { sub: FOREIGN_SUBJECT, client_id: "spiffe://other.example/agent/researcher" } }),
  ),
  claimed("a trust domain that is not known", "KEY_UNKNOWN", { sub: "spiffe://nowhere.example/a" }),
  claimed("a trust domain named like an object's member", "KEY_UNKNOWN", { sub: "spiffe://__proto__/a" }),
  draft(
    "a development trust domain",
    "KEY_UNKNOWN",
    mint(SIGNERS.development, { claims: { sub: "spiffe://dev.example/a", step_id: undefined, iss: undefined } }),
  ),
  draft(
    "a development trust domain in development",
    "accepted",
    mint(SIGNERS.development, { claims: { sub: "spiffe://dev.example/a", step_id: undefined, iss: undefined } }),
    { development: true },
  ),
];

const OTHER = "https://other.example.org";
const identityFor = (aud: unknown): Json => ({ aud, scope: undefined, authorization_details: undefined });
const audiences: readonly Draft[] = [
  claimed("an audience as a string", "accepted", { aud: AUDIENCE }),
  ...(
    [
      [[AUDIENCE, OTHER], "AUDIENCE_MISMATCH"],
      [[AUDIENCE, AUDIENCE], "AUDIENCE_MISMATCH"],
      [[OTHER], "AUDIENCE_MISMATCH"],
      [`${AUDIENCE}/`, "AUDIENCE_MISMATCH"],
      [AUDIENCE.slice(0, -1), "AUDIENCE_MISMATCH"],
      [AUDIENCE.toUpperCase(), "AUDIENCE_MISMATCH"],
      ["*", "AUDIENCE_MISMATCH"],
      [[[AUDIENCE]], "CLAIMS_INVALID"],
      [{ 0: AUDIENCE }, "CLAIMS_INVALID"],
      [[AUDIENCE, 1], "CLAIMS_INVALID"],
      [[], "CLAIMS_INVALID"],
      ["", "CLAIMS_INVALID"],
      [null, "CLAIMS_INVALID"],
      [undefined, "CLAIMS_INVALID"],
    ] as const
  ).map(([aud, is]) => claimed(`an audience of ${JSON.stringify(aud)}`, is, { aud })),
  draft("the second of the verifier's audiences", "accepted", good, { audiences: [OTHER, AUDIENCE] }),
  draft("a verifier without audiences", "AUDIENCE_MISMATCH", good, { audiences: [] }),
  claimed("several audiences, not asked for", "AUDIENCE_MISMATCH", identityFor([OTHER, AUDIENCE])),
  claimed("several audiences, asked for", "accepted", identityFor([OTHER, AUDIENCE]), {
    allow_several_audiences: true,
  }),
  claimed(
    "a grant for several audiences",
    "CLAIMS_INVALID",
    { aud: [OTHER, AUDIENCE] },
    { allow_several_audiences: true },
  ),
  claimed(
    "a scope for several audiences",
    "CLAIMS_INVALID",
    { aud: [OTHER, AUDIENCE], authorization_details: undefined },
    { allow_several_audiences: true },
  ),
  claimed(
    "for the broker",
    "AUDIENCE_MISMATCH",
    { aud: "spiffe://example.org/stint/server" },
    { audiences: ["spiffe://example.org/stint/server"] },
  ),
  claimed("a delegation token", "CLAIMS_INVALID", { may_act: { sub: "spiffe://example.org/runtime/other" } }),
];

const times: readonly Draft[] = [
  ...(
    [
      [{ exp: NOW }, "at exp", "accepted"],
      [{ exp: NOW - 4 }, "at exp + 4 s", "accepted"],
      [{ exp: NOW - 5 }, "at exp + 5 s", "EXPIRED"],
      [{ nbf: NOW + 6 }, "at nbf - 6 s", "NOT_YET_VALID"],
      [{ nbf: NOW + 5 }, "at nbf - 5 s", "accepted"],
      [{ iat: NOW + 6 }, "at iat - 6 s", "NOT_YET_VALID"],
      [{ iat: NOW + 5 }, "at iat - 5 s", "accepted"],
    ] as const
  ).map(([claims, name, is]) => claimed(name, is, { iat: NOW - 60, nbf: NOW - 60, ...claims })),
  draft("an hour later", "EXPIRED", good, { now: NOW + 3_600 }),
  draft("an hour before", "NOT_YET_VALID", good, { now: NOW - 3_600 }),
];

const claimsOfOddShape: readonly (readonly [string, unknown, string])[] = [
  ["exp", undefined, "CLAIMS_INVALID"],
  ["exp", String(NOW + 60), "CLAIMS_INVALID"],
  ["exp", NOW + 60.5, "CLAIMS_INVALID"],
  ["exp", -1, "CLAIMS_INVALID"],
  ["exp", 0, "EXPIRED"],
  ["exp", 1e300, "CLAIMS_INVALID"],
  ["exp", 2 ** 53, "CLAIMS_INVALID"],
  ["exp", NOW * 1_000_000, "CLAIMS_INVALID"],
  ["exp", null, "CLAIMS_INVALID"],
  ["exp", true, "CLAIMS_INVALID"],
  ["exp", [NOW + 60], "CLAIMS_INVALID"],
  ["nbf", String(NOW), "CLAIMS_INVALID"],
  ["nbf", NOW + 121, "CLAIMS_INVALID"],
  ["iat", null, "CLAIMS_INVALID"],
  ["iat", NOW + 121, "CLAIMS_INVALID"],
  ["iss", undefined, "ISSUER_MISMATCH"],
  ["iss", `${ISSUER}/`, "ISSUER_MISMATCH"],
  ["iss", 7, "CLAIMS_INVALID"],
  ["jti", 7, "CLAIMS_INVALID"],
  ["jti", "", "CLAIMS_INVALID"],
  ["scope", "", "accepted"],
  ["scope", null, "CLAIMS_INVALID"],
  ["scope", ["mcp:tool:search"], "CLAIMS_INVALID"],
  ["scope", "a  b", "CLAIMS_INVALID"],
  ["scope", 'a"b', "CLAIMS_INVALID"],
  ["scope", "a\n", "CLAIMS_INVALID"],
  ["client_id", "researcher", "CLAIMS_INVALID"],
  ["client_id", "spiffe://example.org/agent/other", "CLAIMS_INVALID"],
  ["run_id", "r2", "CLAIMS_INVALID"],
  ["step", "delete", "CLAIMS_INVALID"],
  ["attempt", 2, "CLAIMS_INVALID"],
  ["attempt", "1", "CLAIMS_INVALID"],
  ["attempt", true, "CLAIMS_INVALID"],
  ["step_id", 1, "CLAIMS_INVALID"],
  ["step_id", "", "CLAIMS_INVALID"],
  ["step_id", null, "CLAIMS_INVALID"],
  ["workflow", {}, "CLAIMS_INVALID"],
  ["parent_step_id", 1, "CLAIMS_INVALID"],
  ["principal", "u-17", "CLAIMS_INVALID"],
  ["principal", { iss: "https://login.example.org" }, "CLAIMS_INVALID"],
  ["sub", undefined, "SUBJECT_INVALID"],
  ["sub", 7, "SUBJECT_INVALID"],
  ["sub", "", "SUBJECT_INVALID"],
  ["sub", "spiffe://example.org", "SUBJECT_INVALID"],
  ["sub", "spiffe://example.org/", "SUBJECT_INVALID"],
  ["sub", "spiffe://example.org//a", "SUBJECT_INVALID"],
  ["sub", "spiffe://EXAMPLE.org/a", "SUBJECT_INVALID"],
  ["sub", "spiffe://example.org:443/a", "SUBJECT_INVALID"],
  ["sub", "spiffe://user@example.org/a", "SUBJECT_INVALID"],
  ["sub", "spiffe://example.org/a/../b", "SUBJECT_INVALID"],
  ["sub", "spiffe://example.org/a/.", "SUBJECT_INVALID"],
  ["sub", "spiffe://example.org/a%2fb", "SUBJECT_INVALID"],
  ["sub", "spiffe://example.org/a?b", "SUBJECT_INVALID"],
  ["sub", "spiffe://example.org/a\n", "SUBJECT_INVALID"],
  ["sub", "https://example.org/a", "SUBJECT_INVALID"],
  ["sub", "spiffe://example.org/\u0430gent", "SUBJECT_INVALID"],
  ["sub", `spiffe://${"a".repeat(256)}/a`, "SUBJECT_INVALID"],
  ["sub", `spiffe://example.org/${"a".repeat(2_048)}`, "SUBJECT_INVALID"],
  ["sub", `${SUBJECT.slice(0, -1)}0`, "CLAIMS_INVALID"],
  ["sub", "spiffe://run/r1/step/search/1", "KEY_UNKNOWN"],
];

const THUMBPRINT = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
const OTHER_THUMBPRINT = base64url(new Uint8Array(32));
const proofs: readonly Draft[] = [
  claimed("bound to a key, without a proof", "PROOF_REQUIRED", { cnf: { jkt: THUMBPRINT } }),
  claimed("bound to a certificate, without it", "PROOF_REQUIRED", { cnf: { "x5t#S256": THUMBPRINT } }),
  claimed(
    "bound to a key, with its proof",
    "accepted",
    { cnf: { jkt: THUMBPRINT } },
    { confirmation: { jkt: THUMBPRINT } },
  ),
  claimed(
    "bound to a certificate, with it",
    "accepted",
    { cnf: { "x5t#S256": THUMBPRINT } },
    { confirmation: { "x5t#S256": THUMBPRINT } },
  ),
  claimed(
    "bound to another key",
    "PROOF_MISMATCH",
    { cnf: { jkt: THUMBPRINT } },
    { confirmation: { jkt: OTHER_THUMBPRINT } },
  ),
  claimed(
    "bound to another certificate",
    "PROOF_MISMATCH",
    { cnf: { "x5t#S256": THUMBPRINT } },
    { confirmation: { "x5t#S256": OTHER_THUMBPRINT } },
  ),
  draft("a bearer token with a proof", "PROOF_MISMATCH", good, { confirmation: { jkt: THUMBPRINT } }),
  draft("a bearer token over a connection with a certificate", "accepted", good, {
    confirmation: { "x5t#S256": THUMBPRINT },
  }),
  ...[
    {},
    null,
    "x",
    [],
    { jkt: "AAAA" },
    { jkt: 1 },
    { kid: "a" },
    { jkt: THUMBPRINT, "x5t#S256": THUMBPRINT },
    { jkt: `${THUMBPRINT}=` },
  ].map((cnf) => claimed(`a cnf of ${JSON.stringify(cnf)}`, "CLAIMS_INVALID", { cnf })),
];

const ELEMENT = {
  type: "mcp_tool",
  locations: [AUDIENCE],
  identifier: "search",
  actions: ["read"],
  datatypes: ["internal"],
};
const granted = (name: string, is: string, ...elements: readonly unknown[]): Draft =>
  claimed(name, is, { authorization_details: elements });
const grants: readonly Draft[] = [
  granted("an empty grant", "accepted"),
  granted(
    "a grant of several elements, one counted",
    "accepted",
    { ...ELEMENT, identifier: "*" },
    { ...ELEMENT, max_calls: 3 },
  ),
  granted("a tool as long as it is defined as it was", "accepted", { ...ELEMENT, definition_sha256: "1a".repeat(32) }),
  granted("as many calls as there may be", "accepted", { ...ELEMENT, max_calls: LIMITS.grantCallsMax }),
  claimed("a grant that is an object", "CLAIMS_INVALID", { authorization_details: {} }),
  claimed("a grant that is null", "CLAIMS_INVALID", { authorization_details: null }),
  granted("an element of another type", "CLAIMS_INVALID", { type: "payment" }),
  granted("a good element and one of another type", "CLAIMS_INVALID", ELEMENT, { ...ELEMENT, type: "payment" }),
  granted("an element that is a list", "CLAIMS_INVALID", [ELEMENT]),
  granted("an element that is null", "CLAIMS_INVALID", null),
  ...Object.entries<Json>({
    "with a member that is not known": { until: NOW },
    "without locations": { locations: undefined },
    "with no location": { locations: [] },
    "for any location": { locations: ["*"] },
    "with a location twice": { locations: [AUDIENCE, AUDIENCE] },
    "with 33 classes of data": { datatypes: Array.from({ length: 33 }, (_, index) => `d${index}`) },
    "with a location that is not canonical": { locations: ["HTTPS://mcp.example.org/tools"] },
    "with a location with a default port": { locations: ["https://mcp.example.org:443/tools"] },
    "with a location that ends in a slash": { locations: ["https://mcp.example.org/"] },
    "with a location with dot segments": { locations: ["https://mcp.example.org/a/%2e%2e/b"] },
    "with a location with a user": { locations: ["https://u@mcp.example.org/a"] },
    "with a location that ends in a question mark": { locations: ["https://mcp.example.org/a?b?"] },
    "with a location with a fragment": { locations: ["https://mcp.example.org/a#b"] },
    "with a location of another scheme": { locations: ["ftp://mcp.example.org/a"] },
    "with a location by a number": { locations: ["http://2130706433/a"] },
    "without an identifier": { identifier: undefined },
    "with an empty identifier": { identifier: "" },
    "with an identifier with a space": { identifier: "a b" },
    "with an identifier of 129 characters": { identifier: "a".repeat(129) },
    "with a list of identifiers": { identifier: ["search"] },
    "without actions": { actions: undefined },
    "with no action": { actions: [] },
    "with an action that is not known": { actions: ["read", "fly"] },
    "with any action": { actions: ["*"] },
    "with a text for actions": { actions: "read" },
    "without classes of data": { datatypes: undefined },
    "with a class of data with a space": { datatypes: ["a b"] },
    "for no call": { max_calls: 0 },
    "for a call too many": { max_calls: LIMITS.grantCallsMax + 1 },
    "for half a call": { max_calls: 0.5 },
    "for calls as a text": { max_calls: "3" },
    "for a definition that is no digest": { definition_sha256: "1a" },
    "for a digest in capitals": { definition_sha256: "1A".repeat(32) },
    "for a definition that is null": { definition_sha256: null },
    "for a definition that is empty": { definition_sha256: "" },
    "for one definition of any tool": { identifier: "*", definition_sha256: "1a".repeat(32) },
    "for null calls": { max_calls: null },
    "for true calls": { max_calls: true },
  }).map(([name, change]) => granted(`an element ${name}`, "CLAIMS_INVALID", { ...ELEMENT, ...change })),
  ...[
    "https://mcp.example.org",
    "http://localhost:3000/mcp",
    "http://127.0.0.1:8080",
    "http://[::1]:3000/mcp",
    "https://mcp.example.org/a?b=c%20d",
    "https://xn--bcher-kva.example/a",
    "https://mcp.example.org/%zz",
  ].map((location) => granted(`an element at ${location}`, "accepted", { ...ELEMENT, locations: [location] })),
];

/** Drafts with what becomes of each. */
export const DRAFTS: readonly Draft[] = [
  ...accepted,
  ...algorithms,
  ...headers,
  ...shapes,
  ...trust,
  ...audiences,
  ...times,
  ...claimsOfOddShape.map(([claim, value, is]) =>
    claimed(`a token whose ${claim} is ${JSON.stringify(value) ?? "absent"}`.slice(0, 100), is, { [claim]: value }),
  ),
  ...proofs,
  ...grants,
];
