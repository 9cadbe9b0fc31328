import { describe, expect, test } from "vitest";
import { createOidcPrincipals } from "../../../src/adapters/attestor-oidc/oidc-principals.ts";
import { sha256Hex } from "../../../src/domain/digest.ts";
import { LIMITS } from "../../../src/domain/limits.ts";
import type { Json } from "../../verify/token-forge.ts";
import { AUDIENCE, ROOTS, tokenFrom } from "./loopback-issuer.ts";
import { ecKey, NOW, oidcScene, publishKeys } from "./oidc-scene.ts";

const key = ecKey("one");
const KEPT = ["department", "amr", "repository", "run_number", "ref_protected", "groups"];

async function scene(singleUse = false) {
  const made = await oidcScene();
  publishKeys(made, key);
  const issuer = { issuer: made.issuer.url, audience: AUDIENCE, singleUse, roots: ROOTS, claims: KEPT };
  return { ...made, tokens: createOidcPrincipals({ issuers: [issuer], clock: made.clock }) };
}

const refusal = (code: string, message: string) =>
  expect.objectContaining({ code, message: expect.stringContaining(message), cause: undefined });

test("what a certified provider issues says who it is of, and of its claims those that are configured", async () => {
  const { issuer, tokens } = await scene();
  issuer.provide(key);
  expect(await tokens.verify(await tokenFrom(issuer))).toEqual({
    iss: issuer.url,
    sub: "flow",
    claims: { repository: "octo/app", ref_protected: true, run_number: 7, groups: ["ops", "dev"] },
  });
});

test("a token is of whom it says before anybody believes it, and nobody is asked", async () => {
  const { issuer, tokens, token } = await scene();
  expect(tokens.nameIn(token(ecKey("unknown"), { claims: { sub: "ada" } }))).toEqual({ iss: issuer.url, sub: "ada" });
  expect(issuer.asked).toEqual([]);
});

describe("a token of a principal is refused", () => {
  test.for<{ what: string; claims: Json; says: string }>([
    { what: "for another audience", claims: { aud: "https://other.example" }, says: "a token for the audience" },
    { what: "for nobody", claims: { aud: undefined }, says: "a token for the audience" },
    { what: "that has expired", claims: { exp: NOW - 5 }, says: "a token that is valid now" },
    { what: "that does not expire", claims: { exp: undefined }, says: "a token that is valid now" },
    { what: "that is not valid yet", claims: { nbf: NOW + 6 }, says: "a token that is valid now" },
    { what: "of the future", claims: { iat: NOW + 6 }, says: "a token that is valid now" },
    { what: "for more than a day", claims: { exp: NOW + 86_401 }, says: "for at most 86400 s" },
    { what: "without a subject", claims: { sub: undefined }, says: "a sub of 1 to 255 bytes" },
    { what: "whose subject is a number", claims: { sub: 7 }, says: "a sub of 1 to 255 bytes" },
    { what: "whose subject is a book", claims: { sub: "a".repeat(256) }, says: "a sub of 1 to 255 bytes" },
    { what: "whose subject steers a terminal", claims: { sub: "\u001b[2Jada" }, says: "without control characters" },
    { what: "whose subject reads backwards", claims: { sub: "a\u202eda" }, says: "without control characters" },
    { what: "with an object to be kept", claims: { department: { name: "x" } }, says: "the claim department as" },
    { what: "with a fraction to be kept", claims: { department: 0.5 }, says: "the claim department as" },
    { what: "with a number that has no double", claims: { department: 2 ** 53 }, says: "the claim department as" },
    { what: "with a list of everything", claims: { amr: ["pwd", 1] }, says: "the claim amr as" },
    { what: "with a list in a list", claims: { amr: [["pwd"]] }, says: "the claim amr as" },
    { what: "with a text that is no text", claims: { department: "\ud800" }, says: "the claim department as" },
    {
      what: "with too long a list",
      claims: { amr: Array.from({ length: LIMITS.principalClaimListMax + 1 }, () => "a") },
      says: "a list of at most 256 texts",
    },
    {
      what: "with too much in all",
      claims: { department: "a".repeat(4_100), amr: ["b".repeat(4_100)] },
      says: "in at most 8192 bytes",
    },
  ])("$what", async ({ claims, says }) => {
    const { tokens, token } = await scene();
    await expect(tokens.verify(token(key, { claims }))).rejects.toEqual(refusal("INVALID_FIELD", says));
  });

  test("whose signature is another's", async () => {
    const { tokens, token } = await scene();
    await expect(tokens.verify(token(ecKey("one")))).rejects.toEqual(
      refusal("INVALID_FIELD", "principal_token: an ID token, or an access token, that its issuer signed"),
    );
  });

  test.for(["", "no token", "a.b.c", `${"a".repeat(LIMITS.evidenceTokenBytesMax + 1)}`])(
    "that is none: %.12s",
    async (text) => {
      const { tokens } = await scene();
      await expect(tokens.verify(text)).rejects.toEqual(refusal("INVALID_FIELD", "principal_token: "));
      expect(() => tokens.nameIn(text)).toThrow(refusal("INVALID_FIELD", "principal_token: "));
    },
  );

  test("of an issuer that is not configured, which is not asked", async () => {
    const { tokens, token } = await scene();
    const foreign = await scene();
    const claims = { iss: foreign.issuer.url };
    await expect(tokens.verify(token(key, { claims }))).rejects.toEqual(
      refusal("NOT_ENTITLED", "the issuer of the principal's token is not configured here"),
    );
    expect(foreign.issuer.asked).toEqual([]);
  });

  test("while its issuer can't be reached, and nobody is believed meanwhile", async () => {
    const { issuer, tokens, token } = await scene();
    await issuer.stop();
    await expect(tokens.verify(token(key))).rejects.toEqual(
      refusal("NOT_SERVING", "the keys of the principal's issuer can't be had now: try again"),
    );
  });
});

test("no refusal holds a part of the token, or of what it says", async () => {
  const { tokens, token } = await scene();
  const secret = token(key, { claims: { sub: "ada-lovelace", aud: "https://other.example", department: { a: "b" } } });
  const thrown = await tokens.verify(secret).catch((error: unknown) => error);
  const said = JSON.stringify(thrown, Object.getOwnPropertyNames(thrown));
  expect(said).toContain("principal_token");
  expect(said).not.toContain("ada-lovelace");
  for (const part of secret.split(".")) expect(said).not.toContain(part);
});

test("claims of any name are data: one that is called like what every object has changes nothing", async () => {
  const made = await oidcScene();
  publishKeys(made, key);
  const claims = ["constructor", "toString"];
  const issuer = { issuer: made.issuer.url, audience: AUDIENCE, singleUse: false, roots: ROOTS, claims };
  const tokens = createOidcPrincipals({ issuers: [issuer], clock: made.clock });
  const absent = await tokens.verify(made.token(key));
  expect(Object.keys(absent.claims)).toEqual([]);
  const given = await tokens.verify(made.token(key, { claims: { constructor: "y" } }));
  expect(Object.entries(given.claims)).toEqual([["constructor", "y"]]);
});

test("a token counts again within its life, and where it is configured to count once says what it spends", async () => {
  const often = await scene();
  const again = often.token(key);
  expect(await often.tokens.verify(again)).toEqual(await often.tokens.verify(again));

  const once = await scene(true);
  const token = once.token(key);
  const { spends } = await once.tokens.verify(token);
  expect(spends).toEqual({ sha256: sha256Hex(token.slice(0, token.lastIndexOf("."))), expiresAt: NOW + 305 });
});
