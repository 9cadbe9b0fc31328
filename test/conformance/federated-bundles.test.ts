import { status } from "@grpc/grpc-js";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { addSeconds, type UnixSeconds } from "../../src/domain/time.ts";
import { createVerifier, type Verifier, type VerifierOptions } from "../../src/sdk/verifier/index.ts";
import { watchFeed } from "../e2e/feed-watch.ts";
import { altNames, authority, leafOf, uri, x509BundleDocument } from "../verify/certificate-forge.ts";
import { bundleDocumentOf, ecSigner, mint } from "../verify/token-forge.ts";
import { AGENT, first, next, PLAIN, RESOURCE, type Scene, startScene, TRUST_DOMAIN_ID } from "./workload-scene.ts";

const selectors = [`unix:uid:${process.getuid?.() ?? 0}`];
const FOREIGN = "other.example";
const FOREIGN_ID = `spiffe://${FOREIGN}`;
const FOREIGN_STEP = `${FOREIGN_ID}/agent/worker/run/r1/step/search/1`;
const OWN_STEP = `${TRUST_DOMAIN_ID}/agent/worker/run/r1/step/search/1`;

const ENTRIES = [
  { ...AGENT, name: "abroad", federates_with: [FOREIGN, "third.example"] },
  AGENT,
  { kind: "verifier", name: "mcp", selectors, audiences: [RESOURCE], federates_with: [FOREIGN, "unknown.example"] },
  // Under its own name, so that the process that runs the tests may administer too.
  { kind: "operator", name: "admin", selectors, role: "admin" },
];

const now = Math.floor(Date.now() / 1_000) as UnixSeconds;
const validity = { notBefore: addSeconds(now, -60), notAfter: addSeconds(now, 3_600) };
const ca = authority(validity);
const jwtKey = ecSigner("shared-kid");
const witKey = ecSigner("foreign-wit");

/** The foreign trust domain's bundle, as it may be given when the relationship begins. */
function bundleOf(sequence: number, root = ca, signer = jwtKey): Buffer {
  const tokens = JSON.parse(bundleDocumentOf({ "jwt-svid": [signer], "wit-svid": [witKey] }));
  const { keys } = JSON.parse(x509BundleDocument(root));
  return Buffer.from(JSON.stringify({ ...tokens, keys: [...keys, ...tokens.keys], spiffe_sequence: sequence }));
}

let scene: Scene;

beforeAll(async () => {
  scene = await startScene({ entries: ENTRIES });
});
afterAll(() => scene[Symbol.asyncDispose]());
beforeEach(() => federate());
afterEach(async () => {
  const { relationships } = await scene.operator.federation.list({});
  for (const { trustDomain } of relationships) await scene.operator.federation.delete({ trustDomain });
});

/** Its endpoint answers nobody: what is in force is what the operator brought. */
async function federate(trustDomain = FOREIGN, bundle = bundleOf(1)): Promise<void> {
  await scene.operator.federation.create({
    trustDomain,
    bundleEndpointUrl: "https://127.0.0.1:9/bundle",
    profile: { case: "httpsSpiffe", value: { endpointSpiffeId: `spiffe://${trustDomain}/stint/server` } },
    bundle,
  });
}
const end = () => scene.operator.federation.delete({ trustDomain: FOREIGN });

const tokenOf = (signer = jwtKey, claims: Readonly<Record<string, unknown>> = {}) =>
  mint(signer, {
    claims: {
      iss: "https://stint.other.example",
      sub: FOREIGN_STEP,
      client_id: `${FOREIGN_ID}/agent/worker`,
      aud: [RESOURCE],
      iat: now,
      nbf: now - 5,
      exp: now + 600,
      authorization_details: [
        { type: "mcp_tool", locations: [RESOURCE], identifier: "search", actions: ["read"], datatypes: ["internal"] },
      ],
      ...claims,
    },
  });

describe("SPIFFE Workload API", () => {
  test("§5.2.1: X.509-SVIDs come with the foreign bundles that the entries behind them name, and with no others", async () => {
    await federate("third.example");
    const third = { "spiffe://third.example": Buffer.from(ca.der) };
    const ofVerifier = { [FOREIGN_ID]: Buffer.from(ca.der) };
    const abroad = await scene.open({ agent: "abroad" });
    expect((await first(scene.workload.fetchX509SVID({}))).federatedBundles).toEqual({ ...ofVerifier, ...third });
    await scene.close(abroad);
    const home = await scene.open();
    expect((await first(scene.workload.fetchX509SVID({}))).federatedBundles).toEqual(ofVerifier);
    await scene.close(home);
  });

  test("§5.2.2, §6.2.2, §7.2.2: bundles of each kind are keyed by trust domain, each with the keys of its use alone", async () => {
    const { bundles } = await first(scene.workload.fetchX509Bundles({}));
    expect(Object.keys(bundles).sort()).toEqual([TRUST_DOMAIN_ID, FOREIGN_ID]);
    expect(Buffer.from(bundles[FOREIGN_ID] ?? [])).toEqual(Buffer.from(ca.der));
    const jwt = await first(scene.workload.fetchJWTBundles({}));
    const wit = await first(scene.workload.fetchWITBundles({}));
    const keysIn = (text: string) =>
      JSON.parse(text).keys.map((key: { use: string; kid: string }) => [key.use, key.kid]);
    expect(keysIn(String(Buffer.from(jwt.bundles[FOREIGN_ID] ?? [])))).toEqual([["jwt-svid", "shared-kid"]]);
    expect(keysIn(wit.bundles[FOREIGN_ID] ?? "")).toEqual([["wit-svid", "foreign-wit"]]);
  });

  test("a foreign bundle that changes is sent at once, and one that is withdrawn is absent from the next message", async () => {
    const step = await scene.open({ agent: "abroad" });
    const streams = [scene.workload.fetchX509SVID({}), scene.workload.fetchX509Bundles({})] as const;
    const [svids, bundles] = streams;
    expect((await next(svids)).federatedBundles).toHaveProperty([FOREIGN_ID]);
    expect((await next(bundles)).bundles).toHaveProperty([FOREIGN_ID]);
    await end();
    expect((await next(svids)).federatedBundles).toEqual({});
    expect(Object.keys((await next(bundles)).bundles)).toEqual([TRUST_DOMAIN_ID]);
    const other = authority(validity);
    await federate(FOREIGN, bundleOf(1, other));
    expect((await next(svids)).federatedBundles).toEqual({ [FOREIGN_ID]: Buffer.from(other.der) });
    expect(Buffer.from((await next(bundles)).bundles[FOREIGN_ID] ?? [])).toEqual(Buffer.from(other.der));
    for (const stream of streams) await stream.return?.();
    await scene.close(step);
  });

  test("an entry that begins to name a trust domain is sent its bundle", async () => {
    await end();
    await federate("fourth.example");
    const bundles = scene.workload.fetchX509Bundles({});
    expect(Object.keys((await next(bundles)).bundles)).toEqual([TRUST_DOMAIN_ID]);
    const { entry } = await scene.operator.entries.create({
      content: {
        name: "late",
        selectors,
        federatesWith: ["fourth.example"],
        kind: { case: "verifier", value: { audiences: [PLAIN] } },
      },
    });
    onTestFinished(async () => void (await scene.operator.entries.delete({ entry: entry?.entryId ?? "" })));
    expect(Object.keys((await next(bundles)).bundles).sort()).toEqual([TRUST_DOMAIN_ID, "spiffe://fourth.example"]);
    await bundles.return?.();
  });

  test("§6.2.3: ValidateJWTSVID believes a foreign token by the keys of its own trust domain alone", async () => {
    const validate = (svid: string) => scene.workload.validateJWTSVID({ audience: RESOURCE, svid });
    expect((await validate(tokenOf())).spiffeId).toBe(FOREIGN_STEP);
    const refused = (verification: string) => ({
      code: status.INVALID_ARGUMENT,
      metadata: expect.objectContaining({ verification }),
    });
    // The same kid, of another key; and a foreign key that signs for a step of ours.
    await expect(validate(tokenOf(ecSigner("shared-kid")))).rejects.toMatchObject(refused("SIGNATURE_INVALID"));
    await expect(validate(tokenOf(jwtKey, { sub: OWN_STEP }))).rejects.toMatchObject(refused("KEY_UNKNOWN"));
    await expect(validate(tokenOf(jwtKey, { iss: "https://broker.example.org" }))).rejects.toMatchObject(
      refused("ISSUER_MISMATCH"),
    );
    await end();
    await expect(validate(tokenOf())).rejects.toMatchObject(refused("KEY_UNKNOWN"));
  });
});

describe("the revocation feed", () => {
  test("brings a verifier the foreign bundles that its entry names, and one without keys for one that is withdrawn", async () => {
    const watch = watchFeed(scene.channel);
    onTestFinished(() => watch.cancel());
    const keysOf = ({ jwks }: { readonly jwks: Uint8Array }) => JSON.parse(String(Buffer.from(jwks))).keys.length;
    const isForeign = ({ federated }: { readonly federated: boolean }) => federated;
    const bundle = await watch.first("bundle", isForeign);
    expect(bundle).toMatchObject({ trustDomain: FOREIGN_ID, issuer: "", development: false });
    expect(keysOf(bundle)).toBe(3);
    await end();
    const empty = await watch.first("bundle", (one) => isForeign(one) && keysOf(one) === 0);
    expect(empty.trustDomain).toBe(FOREIGN_ID);
    expect(watch.all("bundle").filter((one) => !one.federated)).toHaveLength(1);
  });
});

describe("a verifier", () => {
  const use = { tool: "search", actions: ["read"], datatypes: ["internal"] } as const;

  async function verifierWith(more: Partial<VerifierOptions> = {}): Promise<Verifier> {
    const endpoint = `unix://${scene.daemon.workloadSocket}`;
    const verifier = createVerifier({ endpoint, audiences: [RESOURCE], development: true, ...more });
    onTestFinished(() => verifier.close());
    await verifier.ready();
    return verifier;
  }
  const refusal = (code: string) => expect.objectContaining({ name: "VerificationError", code });

  test("knows a foreign step by its token, and lets it do nothing", async () => {
    const verifier = await verifierWith();
    const step = verifier.verify(tokenOf());
    expect(step).toMatchObject({
      spiffeId: FOREIGN_STEP,
      trustDomain: FOREIGN,
      federated: true,
      grant: [],
      scopes: [],
    });
    expect(() => verifier.authorize(step, use)).toThrow(refusal("GRANT_EXCEEDED"));
  });

  test("takes the grants of a trust domain that it is told to", async () => {
    const verifier = await verifierWith({ grantsFrom: [FOREIGN] });
    const step = verifier.verify(tokenOf());
    verifier.authorize(step, use);
    expect(() => verifier.authorize(step, { ...use, actions: ["move_data"] })).toThrow(refusal("GRANT_EXCEEDED"));
  });

  test("believes nobody by the wrong trust domain's keys", async () => {
    const verifier = await verifierWith();
    const ownStep = altNames([uri(OWN_STEP)]);
    const foreignStep = altNames([uri(FOREIGN_STEP)]);
    const svidOf = (san: Uint8Array, issuer = ca) => leafOf(issuer, { ...validity, extensions: { san } }).der;
    const peer = verifier.verifyX509([svidOf(foreignStep)]);
    expect(peer).toMatchObject({ spiffeId: FOREIGN_STEP, federated: true });
    expect(() => verifier.verifyX509([svidOf(ownStep)])).toThrow(refusal("KEY_UNKNOWN"));
    expect(() => verifier.verifyX509([svidOf(foreignStep, authority(validity))])).toThrow(refusal("KEY_UNKNOWN"));
    expect(() => verifier.verify(tokenOf(jwtKey, { sub: OWN_STEP }))).toThrow(refusal("KEY_UNKNOWN"));
    expect(() => verifier.verify(tokenOf(ecSigner("shared-kid")))).toThrow(refusal("SIGNATURE_INVALID"));
    expect(() => verifier.verify(tokenOf(jwtKey, { sub: "spiffe://unknown.example/agent/a/run/r/step/s/1" }))).toThrow(
      refusal("KEY_UNKNOWN"),
    );
  });

  test("believes a trust domain no more once the relationship has ended", async () => {
    const verifier = await verifierWith();
    verifier.verify(tokenOf());
    await end();
    await expect.poll(() => codeOf(() => verifier.verify(tokenOf()))).toBe("KEY_UNKNOWN");
  });

  function codeOf(verify: () => unknown): unknown {
    try {
      verify();
      return undefined;
    } catch (thrown) {
      return (thrown as { readonly code?: unknown }).code;
    }
  }
});
