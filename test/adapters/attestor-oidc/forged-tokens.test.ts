import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { describe, expect, test } from "vitest";
import { LIMITS } from "../../../src/domain/limits.ts";
import { base64url, forge, type Json, signature } from "../../verify/token-forge.ts";
import { AUDIENCE, jwkOf } from "./loopback-issuer.ts";
import { ecKey, NOW, oidcScene, publishDocuments, publishKeys, refusal, rsaKey, type Scene } from "./oidc-scene.ts";

const key = ecKey("one");
const rsa = rsaKey("rsa");
const LEEWAY = LIMITS.evidenceLeewaySeconds;

async function scene(options: Parameters<typeof oidcScene>[0] = {}): Promise<Scene> {
  const made = await oidcScene(options);
  publishKeys(made, key, rsa);
  return made;
}

describe("a token is accepted", () => {
  test.for<{ what: string; claims?: Json; header?: Json }>([
    { what: "as an issuer makes it" },
    { what: "among several audiences", claims: { aud: ["https://other.example", AUDIENCE] } },
    { what: "until its expiry and the leeway", claims: { exp: NOW - LEEWAY + 1 } },
    { what: "a leeway before it begins", claims: { nbf: NOW + LEEWAY, iat: NOW + LEEWAY } },
    { what: "for a day", claims: { exp: NOW + LIMITS.evidenceTokenSecondsMax } },
    { what: "without its other times", claims: { iat: undefined, nbf: undefined } },
    { what: "without a jti", claims: { jti: undefined } },
    { what: "without a type", header: { typ: undefined } },
    { what: "of the type of access tokens", header: { typ: "application/at+JWT" } },
    { what: "with a key of its own that nobody looks at", header: { jwk: { ...jwkOf(ecKey("own")) } } },
  ])("$what", async ({ claims = {}, header = {} }) => {
    const { attest, token } = await scene();
    expect((await attest(token(key, { claims, header }))).selectors).toContain("oidc:sub:flow");
  });

  test("where its header names no key and only one fits", async () => {
    const { attest, token } = await scene();
    await attest(token(rsa, { header: { kid: undefined } }));
  });
});

describe("a token is refused", () => {
  test.for<{ what: string; claims?: Json; header?: Json; says: string }>([
    { what: "that has expired", claims: { iat: NOW - 300, exp: NOW - LEEWAY }, says: '"exp" claim timestamp' },
    { what: "that does not expire", claims: { exp: undefined }, says: 'missing required "exp"' },
    { what: "whose expiry is a text", claims: { exp: String(NOW + 300) }, says: '"exp" claim must be a number' },
    { what: "that is not valid yet", claims: { nbf: NOW + LEEWAY + 1 }, says: '"nbf" claim timestamp' },
    { what: "of the future", claims: { iat: NOW + LEEWAY + 1 }, says: "iat: not yet" },
    { what: "whose making is a text", claims: { iat: "now" }, says: '"iat" claim must be a number' },
    { what: "for more than a day", claims: { exp: NOW + 86_401 }, says: "exp: more than 86400 s after iat" },
    { what: "for more than a day by now", claims: { iat: undefined, exp: NOW + 86_401 }, says: "exp: more than" },
    { what: "for another audience", claims: { aud: "https://other.example" }, says: 'unexpected "aud"' },
    { what: "for an audience that begins the same", claims: { aud: `${AUDIENCE}/more` }, says: 'unexpected "aud"' },
    { what: "for nobody", claims: { aud: undefined }, says: 'missing required "aud"' },
    { what: "of a logout", header: { typ: "logout+jwt" }, says: "typ: neither" },
    { what: "of a security event", header: { typ: "secevent+jwt" }, says: "typ: neither" },
    { what: "of a type that is no text", header: { typ: 1 }, says: "typ: neither" },
    { what: "with something critical", header: { crit: ["exp"], exp: 1 }, says: '"exp" is not recognized' },
    { what: "with its payload unencoded", header: { crit: ["b64"], b64: false }, says: "unencoded payload" },
    { what: "of an algorithm that is not its key's", header: { alg: "RS256" }, says: "no applicable key" },
  ])("$what", async ({ claims = {}, header = {}, says }) => {
    const { attest, token } = await scene();
    await expect(attest(token(key, { claims, header }))).rejects.toEqual(refusal(says));
  });

  test("of an issuer that is not configured, without asking it", async () => {
    const { attest, token } = await scene();
    const foreign = await scene();
    const claims = { iss: foreign.issuer.url };
    await expect(attest(token(key, { claims }))).rejects.toEqual(
      refusal(`iss "${foreign.issuer.url}": the token's issuer is not trusted here`),
    );
    expect(foreign.issuer.asked).toEqual([]);
  });

  test.for([
    { what: "with a slash more", change: (url: string) => `${url}/` },
    { what: "in upper case", change: (url: string) => url.toUpperCase() },
    { what: "in a list", change: (url: string) => [url] },
    { what: "left out", change: () => undefined },
  ])("of its issuer $what", async ({ change }) => {
    const { attest, token, issuer } = await scene();
    const claims = { iss: change(issuer.url) };
    await expect(attest(token(key, { claims }))).rejects.toEqual(refusal("not trusted here"));
  });

  test("that another key signed, under the name of the issuer's", async () => {
    const { attest, token } = await scene();
    await expect(attest(token(ecKey("one")))).rejects.toEqual(refusal("signature verification failed"));
  });

  test("that another trusted issuer's key signed", async () => {
    const other = await scene();
    const otherKey = ecKey("other");
    publishKeys(other, otherKey);
    const trusted = { issuer: other.issuer.url, audience: AUDIENCE, singleUse: true };
    const both = await oidcScene({}, { issuers: [trusted] });
    publishKeys(both, key);
    await expect(both.attest(both.token(otherKey))).rejects.toEqual(refusal("no applicable key"));
  });

  test("that nobody signed", async () => {
    const { attest, token } = await scene();
    for (const alg of ["none", "None", "NONE"]) {
      const signed = token(key, { header: { alg } });
      const unsigned = signed.slice(0, signed.lastIndexOf(".") + 1);
      await expect(attest(unsigned), alg).rejects.toEqual(refusal('"alg"'));
      await expect(attest(signed), alg).rejects.toEqual(refusal('"alg"'));
    }
  });

  test.for(["HS256", "HS384", "HS512"])("signed by %s with the public key as the secret", async (alg) => {
    const { attest, token } = await scene();
    await expect(attest(token(rsa, { alg }))).rejects.toEqual(refusal('"alg"'));
    await expect(attest(token(key, { alg }))).rejects.toEqual(refusal('"alg"'));
  });

  test("signed by a secret that the issuer publishes", async () => {
    const made = await oidcScene();
    const secret = Buffer.alloc(32, 7);
    publishDocuments(made.issuer, {
      keys: [{ kty: "oct", kid: "one", alg: "HS256", k: secret.toString("base64url") }],
    });
    await expect(made.attest(made.token(key, { alg: "HS256" }))).rejects.toEqual(refusal('"alg"'));
  });

  test("signed by an algorithm that the library knows and this broker does not", async () => {
    const made = await oidcScene();
    const { publicKey, privateKey } = await generateKeyPair("ML-DSA-44", { extractable: true });
    publishDocuments(made.issuer, { keys: [{ ...(await exportJWK(publicKey)), alg: "ML-DSA-44", kid: "one" }] });
    const token = new SignJWT({ iss: made.issuer.url, aud: AUDIENCE, exp: NOW + 60 });
    const signed = await token.setProtectedHeader({ alg: "ML-DSA-44", kid: "one" }).sign(privateKey);
    await expect(made.attest(signed)).rejects.toEqual(refusal('"alg"'));
  });

  test("signed by an RSA key that is too small", async () => {
    const made = await oidcScene();
    const small = rsaKey("small", "RS256", 1_024);
    publishKeys(made, small);
    await expect(made.attest(made.token(small))).rejects.toEqual(refusal("2048"));
  });

  test("signed by a key that is not for signatures", async () => {
    const made = await oidcScene();
    publishDocuments(made.issuer, { keys: [{ ...jwkOf(key), use: "enc" }] });
    await expect(made.attest(made.token(key))).rejects.toEqual(refusal("no applicable key"));
  });

  test("whose header names no key where several fit", async () => {
    const made = await oidcScene();
    publishKeys(made, key, ecKey("two"));
    await expect(made.attest(made.token(key, { header: { kid: undefined } }))).rejects.toEqual(refusal("multiple"));
  });

  test("with more claims than anybody could mean", async () => {
    const { attest, token } = await scene();
    const groups = (count: number) => Array.from({ length: count }, (_, index) => `group-${index}`);
    // Issuer, subject and audience are three more.
    await attest(token(key, { claims: { groups: groups(253) } }));
    await expect(attest(token(key, { claims: { groups: groups(254) } }))).rejects.toEqual(refusal("more than 256"));
  });
});

describe("what is no token at all is said to be none", () => {
  const NONE = expect.objectContaining({ code: "INVALID_FIELD", metadata: { field: "oidc_token" } });
  const claims = (members: string) => `{"iss":"https://a.example",${members}}`;
  const signed = (payload: string, header = '{"alg":"ES256","kid":"one"}') =>
    forge(header, payload, signature(key, "ES256"));

  test.for([
    { what: "nothing", token: "" },
    { what: "two parts", token: "e30.e30" },
    { what: "four parts", token: "e30.e30.e30.e30" },
    { what: "a token with a line feed behind it", token: `${signed(claims('"sub":"a"'))}\n` },
    { what: "a token with padding", token: `${signed(claims('"sub":"a"'))}=` },
    { what: "a token with a scheme", token: `Bearer ${signed(claims('"sub":"a"'))}` },
    { what: "claims that are a list", token: signed("[]") },
    { what: "claims that are no JSON", token: signed("{") },
    { what: "a claim twice", token: signed(claims('"sub":"a","sub":"b"')) },
    { what: "a header parameter twice", token: signed(claims('"sub":"a"'), '{"alg":"none","alg":"ES256"}') },
    { what: "a JWS in JSON", token: JSON.stringify({ payload: base64url("{}"), signatures: [] }) },
    { what: "more than 16 KiB", token: signed(claims(`"sub":"${"a".repeat(13_000)}"`)) },
  ])("$what", async ({ token }) => {
    const { attest, issuer } = await scene();
    await expect(attest(token)).rejects.toEqual(NONE);
    expect(issuer.asked).toEqual([]);
  });
});

describe("a token that counts once", () => {
  test("is the same one whichever of its two signatures it is written with", async () => {
    const { attest, token } = await scene();
    const [header, payload, written = ""] = token(key).split(".");
    const twin = `${header}.${payload}.${twinOf(written)}`;
    const one = await attest(`${header}.${payload}.${written}`);
    const other = await attest(twin);
    expect(other.spends).toEqual(one.spends);
    expect(one.spends?.sha256).toMatch(/^[0-9a-f]{64}$/);
  });

  test("is another one for each that the issuer makes, also without a jti", async () => {
    const { attest, token } = await scene();
    const [one, other] = [1, 2].map((n) => token(key, { claims: { jti: undefined, n } }));
    expect((await attest(one ?? "")).spends?.sha256).not.toBe((await attest(other ?? "")).spends?.sha256);
  });

  test("is remembered until nobody would accept it any more", async () => {
    const made = await scene();
    const token = made.token(key, { claims: { exp: NOW + 299.5 } });
    const expiresAt = (await made.attest(token)).spends?.expiresAt ?? 0;
    made.clock.advance((expiresAt - NOW) * 1_000 - 1);
    await made.attest(token);
    made.clock.advance(1);
    await expect(made.attest(token)).rejects.toEqual(refusal('"exp" claim timestamp'));
  });

  test("is not what an issuer gives whose tokens count more than once", async () => {
    const { attest, token } = await scene({ singleUse: false });
    expect(await attest(token(key))).not.toHaveProperty("spends");
  });
});

/** The order of P-256's group. */
const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

/** (r, n − s), which holds wherever (r, s) does. */
function twinOf(written: string): string {
  const bytes = Buffer.from(written, "base64url");
  const s = BigInt(`0x${bytes.subarray(32).toString("hex")}`);
  const twin = (ORDER - s).toString(16).padStart(64, "0");
  return Buffer.concat([bytes.subarray(0, 32), Buffer.from(twin, "hex")]).toString("base64url");
}
