import { decodeJwt } from "jose";
import { describe, expect, test } from "vitest";
import { LIMITS } from "../../../src/domain/limits.ts";
import { AUDIENCE, tokenFrom } from "./loopback-issuer.ts";
import { ecKey, edKey, NOW, oidcScene, refusal, rsaKey } from "./oidc-scene.ts";

// What `oidc-provider`, a certified implementation, issues over HTTPS to a client that has a secret.

test("whoever has a provider's token for this broker has the selectors that it says", async () => {
  const scene = await oidcScene();
  scene.issuer.provide(ecKey("one"));
  const { selectors } = await scene.attest(await tokenFrom(scene.issuer));
  expect([...selectors]).toEqual([
    `oidc:iss:${scene.issuer.url}`,
    "oidc:sub:flow",
    "oidc:claim:repository:octo/app",
    "oidc:claim:ref_protected:true",
    "oidc:claim:run_number:7",
    "oidc:claim:groups:ops",
    "oidc:claim:groups:dev",
    "oidc:claim:scope:attest",
    "oidc:claim:client_id:flow",
    `oidc:claim:aud:${AUDIENCE}`,
  ]);
});

test.for([
  rsaKey("k", "RS256"),
  rsaKey("k", "RS512"),
  rsaKey("k", "PS256"),
  ecKey("k", "ES256"),
  ecKey("k", "ES384", "P-384"),
  ecKey("k", "ES512", "P-521"),
  edKey("k", "EdDSA"),
  edKey("k", "Ed25519"),
])("a token signed with $algorithm is accepted", async (key) => {
  const scene = await oidcScene();
  scene.issuer.provide(key);
  const { selectors } = await scene.attest(await tokenFrom(scene.issuer));
  expect(selectors).toContain("oidc:sub:flow");
});

test("a token that the provider made for somebody else is refused", async () => {
  const scene = await oidcScene();
  scene.issuer.provide(ecKey("one"));
  const token = await tokenFrom(scene.issuer, "https://another.example.org");
  await expect(scene.attest(token)).rejects.toEqual(refusal('unexpected "aud" claim value'));
});

describe("a provider that takes new keys", () => {
  test("is asked for them when a token is signed with one that is not known", async () => {
    const scene = await oidcScene();
    const [old, next] = [ecKey("old"), ecKey("next")];
    scene.issuer.provide(old);
    const signedByOld = await tokenFrom(scene.issuer);
    await scene.attest(signedByOld);
    scene.issuer.provide(next, old);
    const signedByNext = await tokenFrom(scene.issuer);
    scene.clock.advance(LIMITS.issuerKeysRenewedMs);
    expect((await scene.attest(signedByNext)).selectors).toContain("oidc:sub:flow");
    // Both are among the keys still.
    await scene.attest(signedByOld);
  });

  test("and has the old ones forgotten after ten minutes", async () => {
    const scene = await oidcScene();
    scene.issuer.provide(ecKey("old"));
    const key = ecKey("old");
    await scene.attest(await tokenFrom(scene.issuer));
    // The same name, so that it is not missed.
    scene.issuer.provide(key);
    const exp = NOW + 3_600;
    const signedByNew = scene.token(key, { claims: { exp } });
    await expect(scene.attest(signedByNew)).rejects.toEqual(refusal("signature verification failed"));
    scene.clock.advance(LIMITS.issuerKeysFreshMs);
    await scene.attest(signedByNew);
  });
});

describe("a provider that is down", () => {
  test("has its tokens refused, and those of others accepted", async () => {
    const down = await oidcScene();
    const { issuer: up, token } = await oidcScene();
    const key = ecKey("one");
    up.provide(key);
    const both = await oidcScene(
      { issuer: up.url },
      { issuers: [{ issuer: down.issuer.url, audience: AUDIENCE, singleUse: true }] },
    );
    await down.issuer.stop();
    await expect(both.attest(down.token(key))).rejects.toEqual(refusal("ECONNREFUSED"));
    expect((await both.attest(token(key))).selectors).toContain(`oidc:iss:${up.url}`);
  });

  test("is asked again five seconds later, and not sooner", async () => {
    const scene = await oidcScene();
    scene.issuer.provide(ecKey("one"));
    const token = await tokenFrom(scene.issuer);
    await scene.issuer.stop();
    await expect(scene.attest(token)).rejects.toEqual(refusal("ECONNREFUSED"));
    await scene.issuer.start();
    scene.clock.advance(LIMITS.issuerRetryMs - 1);
    await expect(scene.attest(token)).rejects.toEqual(refusal("ECONNREFUSED"));
    scene.clock.advance(1);
    expect((await scene.attest(token)).spends?.expiresAt).toBe((decodeJwt(token).exp ?? 0) + 5);
  });

  test("has its keys believed for ten minutes, and no longer", async () => {
    const scene = await oidcScene();
    const key = ecKey("one");
    scene.issuer.provide(key);
    const token = scene.token(key, { claims: { exp: NOW + 3_600 } });
    await scene.attest(token);
    await scene.issuer.stop();
    scene.clock.advance(LIMITS.issuerKeysFreshMs - 1);
    await scene.attest(token);
    scene.clock.advance(1);
    await expect(scene.attest(token)).rejects.toEqual(refusal("ECONNREFUSED"));
  });
});
