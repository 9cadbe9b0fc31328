import { createHash, randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { exportJWK, type GenerateKeyPairResult, generateKeyPair, type JWK, SignJWT } from "jose";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { addSeconds, type UnixSeconds } from "../../src/domain/time.ts";
import { createMcpGuard } from "../../src/sdk/mcp/index.ts";
import { createVerifier, type PresentedRequest, type Verifier } from "../../src/sdk/verifier/index.ts";
import { authority, x509BundleDocument } from "../verify/certificate-forge.ts";
import { RESOURCE, type Scene, startScene } from "./workload-scene.ts";

// WIT-SVIDs as SPIRE 1.16 makes them (`enable_wit_svids`), and a bundle as it publishes it, made with jose: `sub`, `iat`, `exp` and
// `jti`, with `iss` where `jwt_issuer` is set; `cnf.jwk` has a `kid` beside its `alg`; no `nbf`, and nothing of a step.

const SPIRE = "spire.example";
const WORKLOAD = `spiffe://${SPIRE}/ns/default/sa/api`;
const selectors = [`unix:uid:${process.getuid?.() ?? 0}`];
const now = Math.floor(Date.now() / 1_000) as UnixSeconds;
const ca = authority({ notBefore: addSeconds(now, -60), notAfter: addSeconds(now, 3_600) });

const ENTRIES = [
  { kind: "verifier", name: "mcp", selectors, audiences: [RESOURCE], federates_with: [SPIRE] },
  { kind: "operator", name: "admin", selectors, role: "admin" },
];

type Signer = GenerateKeyPairResult & { readonly kid: string; readonly algorithm: string };

async function signerOf(algorithm: string): Promise<Signer> {
  const kid = createHash("sha256").update(randomUUID()).digest("base64url").slice(0, 32);
  return { ...(await generateKeyPair(algorithm, { extractable: true })), kid, algorithm };
}

/** SPIRE signs with `wit_key_type`: EC P-256 unless it is told otherwise. */
const SIGNERS = await Promise.all(["ES256", "ES384", "RS256"].map(signerOf));
const jwtSigner = await signerOf("ES256");
const holder = await generateKeyPair("ES256", { extractable: true });

async function bundleOfSpire(): Promise<Buffer> {
  const keyFor = async (use: string, { publicKey, kid }: Signer) => ({ use, kid, ...(await exportJWK(publicKey)) });
  const tokens = [keyFor("jwt-svid", jwtSigner), ...SIGNERS.map((signer) => keyFor("wit-svid", signer))];
  const { keys } = JSON.parse(x509BundleDocument(ca)) as { readonly keys: readonly JWK[] };
  const document = { keys: [...keys, ...(await Promise.all(tokens))], spiffe_sequence: 4, spiffe_refresh_hint: 300 };
  return Buffer.from(JSON.stringify(document));
}

async function witOf({ privateKey, kid, algorithm }: Signer, more: Readonly<Record<string, unknown>> = {}) {
  const jwk = { ...(await exportJWK(holder.publicKey)), kid: randomUUID(), alg: "ES256" };
  const claims = { sub: WORKLOAD, iat: now, exp: now + 3_600, jti: randomUUID(), cnf: { jwk }, ...more };
  return new SignJWT(claims).setProtectedHeader({ alg: algorithm, kid, typ: "wit+jwt" }).sign(privateKey);
}

/** A request with a WIT-SVID, and its proof as draft-ietf-wimse-wpt-02 has it. */
async function headersOf(wit: string): Promise<Record<string, string>> {
  const wth = createHash("sha256").update(wit, "ascii").digest("base64url");
  const claims = { aud: RESOURCE, exp: Math.floor(Date.now() / 1_000) + 30, jti: randomUUID(), wth };
  const proof = await new SignJWT(claims).setProtectedHeader({ alg: "ES256", typ: "wpt+jwt" }).sign(holder.privateKey);
  return { authorization: `WPT ${proof}`, "workload-identity-token": wit };
}

const requestOf = async (wit: string): Promise<PresentedRequest> => {
  return { method: "POST", url: RESOURCE, headers: await headersOf(wit) };
};

describe("a WIT-SVID of SPIRE's", () => {
  let scene: Scene;
  let verifier: Verifier;
  let http: Server;

  beforeAll(async () => {
    scene = await startScene({ entries: ENTRIES });
    await scene.operator.federation.create({
      trustDomain: SPIRE,
      bundleEndpointUrl: "https://127.0.0.1:9/bundle",
      profile: { case: "httpsSpiffe", value: { endpointSpiffeId: `spiffe://${SPIRE}/spire/server` } },
      bundle: await bundleOfSpire(),
    });
    const endpoint = `unix://${scene.daemon.workloadSocket}`;
    verifier = createVerifier({ endpoint, audiences: [RESOURCE], development: true });
    await verifier.ready();
    const issuer = "https://broker.example.org";
    const guard = createMcpGuard({ verifier, resource: RESOURCE, issuer, tools: {} });
    http = createServer(guard.listener(async () => Response.json("reached")));
    await once(http.listen(0, "127.0.0.1"), "listening");
  });
  afterAll(async () => {
    verifier?.close();
    http?.close();
    await scene?.[Symbol.asyncDispose]();
  });

  test.for(SIGNERS)(
    "verifies by a key for $algorithm of the federated bundle, and identifies its workload",
    async (signer) => {
      const verified = verifier.verifyRequest(await requestOf(await witOf(signer)), { proof: "required" });
      expect(verified).toMatchObject({
        kind: "wit-svid",
        proof: "wpt",
        workload: { spiffeId: WORKLOAD, trustDomain: SPIRE, keyId: signer.kid, federated: true },
      });
    },
  );

  test("may name the issuer that SPIRE was told of", async () => {
    const wit = await witOf(SIGNERS[0] as Signer, { iss: "https://spire.example" });
    expect(verifier.verifyRequest(await requestOf(wit)).kind).toBe("wit-svid");
  });

  test("is not believed by a key for JWT-SVIDs, nor for a name of ours", async () => {
    const ours = await witOf(SIGNERS[0] as Signer, { sub: "spiffe://example.org/agent/worker" });
    for (const wit of [await witOf(jwtSigner), ours]) {
      const request = await requestOf(wit);
      expect(() => verifier.verifyRequest(request)).toThrow(expect.objectContaining({ code: "KEY_UNKNOWN" }));
    }
  });

  test("calls no tool of a guarded server, which grants to steps alone", async () => {
    const { port } = http.address() as AddressInfo;
    const response = await fetch(`http://127.0.0.1:${port}/mcp`, {
      method: "POST",
      headers: { "content-type": "application/json", ...(await headersOf(await witOf(SIGNERS[0] as Signer))) },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list", params: {} }),
    });
    expect([response.status, response.headers.get("www-authenticate")]).toEqual([401, "WPT"]);
    expect(await response.text()).toContain("TOKEN_MISSING");
  });
});
