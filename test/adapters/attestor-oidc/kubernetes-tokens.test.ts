import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { kubernetesSelectorsOf } from "../../../src/adapters/attestor-oidc/kubernetes-claims.ts";
import { createOidcAttestor } from "../../../src/adapters/attestor-oidc/oidc-attestor.ts";
import { parseSelector } from "../../../src/domain/selector.ts";
import type { JsonObject } from "../../../src/domain/strict-json.ts";
import { virtualClock } from "../../memory/virtual-clock.ts";
import { forge, type Json, signature } from "../../verify/token-forge.ts";
import { jwkOf } from "./loopback-issuer.ts";
import { NOW, oidcScene, publishKeys, refusal, rsaKey } from "./oidc-scene.ts";

const ISSUER = "https://kubernetes.default.svc.cluster.local";
const AUDIENCE = "https://stint.example.org:8443";
/** API servers sign by RSA, and name the key by the digest of its SubjectPublicKeyInfo. */
const key = rsaKey("OJcyYEZ_Jxb3mHuhPpf9ryVOlXl8xlTGIQBGQa5xhHc");

/** The claims of a projected token, member for member as Kubernetes 1.32 makes them. */
function projected(changes: Json = {}): JsonObject {
  return {
    aud: [AUDIENCE],
    exp: NOW + 600,
    iat: NOW,
    iss: ISSUER,
    jti: "8f1d8f4e-5bb2-4e0e-9d7b-4a1c2f6f0a11",
    "kubernetes.io": {
      namespace: "agents",
      node: { name: "worker-2", uid: "58456cb0-dd00-45ed-b797-5578fdceaced" },
      pod: { name: "flow-7d9c5b8c4-x2x7p", uid: "3b0b6a3c-3f0e-4f0c-8a66-1f0f2d0ab0a9" },
      serviceaccount: { name: "flow", uid: "14ee3fa4-a7e2-420f-9f9a-dbc4507c3798" },
    },
    nbf: NOW,
    sub: "system:serviceaccount:agents:flow",
    ...changes,
  } as JsonObject;
}

/** Before Kubernetes 1.24 each service account had one of these in a Secret: for good, and for whoever takes it. */
const LEGACY = {
  iss: "kubernetes/serviceaccount",
  "kubernetes.io/serviceaccount/namespace": "agents",
  "kubernetes.io/serviceaccount/secret.name": "flow-token-8xk2p",
  "kubernetes.io/serviceaccount/service-account.name": "flow",
  "kubernetes.io/serviceaccount/service-account.uid": "14ee3fa4-a7e2-420f-9f9a-dbc4507c3798",
  sub: "system:serviceaccount:agents:flow",
};

const OF_THE_POD = [
  "k8s:cluster:prod",
  "k8s:ns:agents",
  "k8s:sa:flow",
  "k8s:sa-uid:14ee3fa4-a7e2-420f-9f9a-dbc4507c3798",
  "k8s:pod-name:flow-7d9c5b8c4-x2x7p",
  "k8s:pod-uid:3b0b6a3c-3f0e-4f0c-8a66-1f0f2d0ab0a9",
  "k8s:node-name:worker-2",
];

const NO_CHALLENGE = { challenge: () => Promise.reject(new TypeError("a token is not challenged")) };
const tokenOf = (claims: Json, signer = key) =>
  forge(JSON.stringify({ alg: "RS256", kid: key.kid }), JSON.stringify(claims), signature(signer, "RS256"));

/** Offline: nobody answers at the issuer's URL, and nobody is asked. */
function attest(claims: Json, signer = key) {
  const issuer = { issuer: ISSUER, audience: AUDIENCE, singleUse: false, kubernetesCluster: "prod" };
  const keys = { document: { keys: [jwkOf(key)] } as unknown as JsonObject };
  const attestor = createOidcAttestor({ issuers: [{ ...issuer, keys }], clock: virtualClock(NOW) });
  return attestor.attest(Buffer.from(tokenOf(claims, signer)), NO_CHALLENGE, new Uint8Array());
}

const within = (changes: Json): Json => projected({ "kubernetes.io": { ...bound(), ...changes } });
const bound = (): JsonObject => projected()["kubernetes.io"] as JsonObject;

test("a projected token proves the pod, its service account, namespace and node, and what any token of the issuer does", async () => {
  const { selectors, spends } = await attest(projected());
  expect([...selectors].filter((one) => one.startsWith("k8s:"))).toEqual(OF_THE_POD);
  expect(selectors).toContain(`oidc:iss:${ISSUER}`);
  expect(selectors).toContain("oidc:sub:system:serviceaccount:agents:flow");
  expect(spends).toBeUndefined();
});

test("a cluster before 1.30 does not tell the node", async () => {
  const { selectors } = await attest(within({ node: undefined }));
  expect([...selectors].filter((one) => one.startsWith("k8s:"))).toEqual(OF_THE_POD.slice(0, -1));
});

describe("a token is refused", () => {
  test.for<{ what: string; claims: Json; says: string }>([
    { what: "of a Secret", claims: LEGACY, says: "from a Secret, which is for no audience: show a projected one" },
    {
      what: "that is no service account's",
      claims: projected({ "kubernetes.io": undefined }),
      says: "kubernetes.io: missing",
    },
    { what: "that no pod has", claims: within({ pod: undefined }), says: "kubernetes.io.pod: missing" },
    { what: "of no service account", claims: within({ serviceaccount: null }), says: "kubernetes.io.serviceaccount" },
    { what: "of no namespace", claims: within({ namespace: undefined }), says: "sub: not the service account" },
    {
      what: "whose subject is another service account",
      claims: projected({ sub: "system:serviceaccount:agents:other" }),
      says: "sub: not the service account of kubernetes.io",
    },
    {
      what: "of a pod without a UID",
      claims: within({ pod: { name: "flow" } }),
      says: "kubernetes.io.pod.uid: not as",
    },
    { what: "of a pod without a name", claims: within({ pod: { ...pod(), name: 7 } }), says: "kubernetes.io.pod.name" },
    { what: "of a node without a name", claims: within({ node: "worker-2" }), says: "kubernetes.io.node.name: not as" },
    { what: "for the API server alone", claims: projected({ aud: [ISSUER] }), says: 'unexpected "aud"' },
    { what: "that has ended", claims: projected({ iat: NOW - 700, exp: NOW - 100 }), says: '"exp" claim timestamp' },
  ])("$what", async ({ claims, says }) => {
    await expect(attest(claims)).rejects.toEqual(refusal(says));
  });

  test("that another key signed, under the name of the cluster's", async () => {
    await expect(attest(projected(), rsaKey(key.kid))).rejects.toEqual(refusal("signature verification failed"));
  });
});

test("whatever is in the claims, each selector is one that an entry could name, and says what one member says", () => {
  // Mostly as Kubernetes makes them: of seven members at random, hardly any token would have all as they have to be.
  const mostly = (good: fc.Arbitrary<string>) => fc.oneof({ weight: 9, arbitrary: good }, fc.string());
  const name = mostly(fc.stringMatching(/^[a-z][a-z0-9-]{0,8}[a-z]$/));
  const named = fc.record({ name, uid: mostly(fc.uuid()) });
  const claims = fc.record({ namespace: name, pod: named, serviceaccount: named, node: named });
  fc.assert(
    fc.property(claims, (of) => {
      const sub = `system:serviceaccount:${of.namespace}:${of.serviceaccount.name}`;
      const members = [of.namespace, ...[of.pod, of.serviceaccount, of.node].flatMap(({ name, uid }) => [name, uid])];
      let selectors: ReadonlySet<string>;
      try {
        selectors = kubernetesSelectorsOf({ sub, "kubernetes.io": of }, "prod");
      } catch {
        return;
      }
      for (const one of selectors) {
        expect(parseSelector(one)).toBe(one);
        expect(["prod", ...members]).toContain(one.replace(/^k8s:[a-z-]+:/, ""));
      }
    }),
  );
});

test("keys at a URL are asked for there, and nothing else of the issuer's is", async () => {
  const made = await oidcScene();
  publishKeys(made, key);
  const uri = `${made.issuer.url}/keys`;
  const scene = await oidcScene({ keys: { uri }, issuer: ISSUER, audience: AUDIENCE });
  await scene.attest(tokenOf(projected()));
  expect(made.issuer.asked).toEqual(["/keys"]);
  await made.issuer.stop();
  await scene.attest(tokenOf(projected({ jti: "another" })));
  const later = await oidcScene({ keys: { uri }, issuer: ISSUER, audience: AUDIENCE });
  await expect(later.attest(tokenOf(projected()))).rejects.toEqual(refusal("can't be had"));
});

function pod(): JsonObject {
  return bound()["pod"] as JsonObject;
}
