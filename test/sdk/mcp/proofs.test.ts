import { request as tlsRequest } from "node:https";
import { describe, expect, test } from "vitest";
import { requestTargetOf } from "../../../src/sdk/mcp-guard/request-target.ts";
import {
  dpopProof,
  type Holder,
  hashOf,
  newHolder,
  txnToken,
  witSvid,
  workloadProof,
} from "../../verify/proof-forge.ts";
import type { Json } from "../../verify/token-forge.ts";
import { certificateHash, makePeer, type Peer } from "./peer-certificate.ts";
import { guardedServerOf, type Scene, searchGrant, txnSigner, witSigner } from "./scene.ts";
import { SDK_LINES } from "./sdk-lines.ts";

// Bound tokens at a real MCP server of each line of the official SDK; proofs are made with jose.

const CALL = { jsonrpc: "2.0", id: 7, method: "tools/call", params: { name: "search", arguments: {} } };
const ALGORITHMS = "ES256 ES384 ES512 RS256 RS384 RS512 PS256 PS384 PS512";
const METADATA = `resource_metadata="<origin>/.well-known/oauth-protected-resource/mcp"`;

type AnyScene = Scene<never>;

const holder = await newHolder();
const thief = await newHolder();
const now = () => Math.floor(Date.now() / 1_000);

function boundToken(scene: AnyScene, to: Holder = holder): string {
  return scene.token({ cnf: { jkt: to.jkt } });
}

async function dpopHeaders({ resource }: AnyScene, token: string, by: Holder, claims: Json = {}) {
  const proof = await dpopProof(by, token, { claims: { iat: now(), htu: resource, ...claims } });
  return { authorization: `DPoP ${token}`, dpop: proof };
}

async function answerOf({ resource }: AnyScene, response: Response) {
  const { origin } = new URL(resource);
  const challenge = response.headers.get("www-authenticate")?.replaceAll(origin, "<origin>");
  const text = await response.text();
  const reason = (/"reason":"([A-Z_]+)"/.exec(text) ?? [])[1];
  return { status: response.status, challenge, reason };
}

async function ask(scene: AnyScene, headers: Record<string, string>) {
  return answerOf(scene, await scene.post(CALL, headers));
}

describe.for(SDK_LINES)("a guarded server of the MCP SDK $version", ({ line }) => {
  test("serves a step with a DPoP proof, and its handler sees neither token nor proof", async () => {
    const scene = await guardedServerOf(line);
    const token = boundToken(scene);
    const headers = await dpopHeaders(scene, token, holder);
    expect(await ask(scene, headers)).toMatchObject({ status: 200 });
    expect(scene.calls).toHaveLength(1);
    const seen = line.headersOf(scene.calls[0]?.context as never);
    expect(seen).toContain("application/json");
    for (const secret of [token, headers.dpop]) expect(seen).not.toContain(secret.slice(-40));
  });

  test.for<{ what: string; headers: (scene: AnyScene) => Promise<Record<string, string>>; is: Json }>([
    {
      what: "a bound token as a Bearer token",
      headers: async (scene) => ({ authorization: `Bearer ${boundToken(scene)}` }),
      is: {
        status: 401,
        challenge: `DPoP error="invalid_token", error_description="PROOF_REQUIRED: the token is bound to a key: a DPoP proof of it is required", algs="${ALGORITHMS}", ${METADATA}`,
        reason: "PROOF_REQUIRED",
      },
    },
    {
      what: "a token bound to a certificate that is not there",
      headers: async (scene) => ({ authorization: `Bearer ${scene.token({ cnf: { "x5t#S256": hashOf("x") } })}` }),
      is: {
        status: 401,
        challenge: `Bearer error="invalid_token", error_description="PROOF_REQUIRED: the token is bound to a certificate: a connection with it is required", ${METADATA}, DPoP algs="${ALGORITHMS}", ${METADATA}, WPT`,
        reason: "PROOF_REQUIRED",
      },
    },
    {
      what: "the proof of another's key",
      headers: (scene) => dpopHeaders(scene, boundToken(scene), thief),
      is: {
        status: 401,
        challenge: `DPoP error="invalid_token", error_description="PROOF_MISMATCH: the token is not bound to the key of the proof", algs="${ALGORITHMS}", ${METADATA}`,
        reason: "PROOF_MISMATCH",
      },
    },
    {
      what: "an unbound token in the DPoP scheme",
      headers: (scene) => dpopHeaders(scene, scene.token(), holder),
      is: { status: 401, challenge: expect.stringMatching(/^DPoP error="invalid_token"/), reason: "PROOF_MISMATCH" },
    },
    {
      what: "a proof for another URL",
      headers: (scene) => dpopHeaders(scene, boundToken(scene), holder, { htu: "https://mcp.example.com/mcp" }),
      is: {
        status: 401,
        challenge: `DPoP error="invalid_dpop_proof", error_description="PROOF_INVALID: not a DPoP proof: expected htu as the URI of the request, without query and fragment", algs="${ALGORITHMS}", ${METADATA}`,
        reason: "PROOF_INVALID",
      },
    },
    {
      what: "a proof for another method",
      headers: (scene) => dpopHeaders(scene, boundToken(scene), holder, { htm: "GET" }),
      is: {
        status: 401,
        challenge: expect.stringMatching(/^DPoP error="invalid_dpop_proof"/),
        reason: "PROOF_INVALID",
      },
    },
    {
      what: "an old proof",
      headers: (scene) => dpopHeaders(scene, boundToken(scene), holder, { iat: now() - 90 }),
      is: {
        status: 401,
        challenge: expect.stringMatching(/^DPoP error="invalid_dpop_proof"/),
        reason: "PROOF_INVALID",
      },
    },
    {
      what: "no proof",
      headers: async (scene) => ({ authorization: `DPoP ${boundToken(scene)}` }),
      is: {
        status: 401,
        challenge: expect.stringMatching(/^DPoP error="invalid_dpop_proof"/),
        reason: "PROOF_INVALID",
      },
    },
    {
      what: "a WIT-SVID alone, with its proof",
      headers: (scene) => witHeaders(scene, null),
      is: { status: 401, challenge: "WPT", reason: "TOKEN_MISSING" },
    },
    {
      what: "a transaction token that the proof does not name",
      headers: (scene) => witHeaders(scene, transaction(scene), { tth: undefined }),
      is: { status: 401, challenge: "WPT", reason: "PROOF_INVALID" },
    },
    {
      what: "a transaction token for another server",
      headers: (scene) => witHeaders(scene, transaction(scene, { location: "https://other.example/mcp" })),
      is: { status: 401, challenge: "WPT", reason: "AUDIENCE_MISMATCH" },
    },
    {
      what: "a transaction token beside a bearer token",
      headers: async (scene) => ({ ...bearer(scene), "txn-token": transaction(scene) }),
      is: { status: 401, challenge: "WPT", reason: "PROOF_INVALID" },
    },
    {
      what: "a Workload Proof Token that came with a second",
      headers: async (scene) => {
        const { authorization = "", ...rest } = await witHeaders(scene);
        return { authorization: `${authorization}, ${authorization}`, ...rest };
      },
      is: { status: 401, challenge: "WPT", reason: "REQUEST_MALFORMED" },
    },
    {
      what: "no credentials, and names the schemes",
      headers: async () => ({}),
      is: {
        status: 401,
        challenge: `Bearer ${METADATA}, DPoP algs="${ALGORITHMS}", ${METADATA}, WPT`,
        reason: "TOKEN_MISSING",
      },
    },
    {
      what: "a WIT-SVID without its proof",
      headers: async (scene) => ({ ...bearer(scene), "workload-identity-token": witSvid(witSigner, holder) }),
      is: { status: 401, challenge: "WPT", reason: "PROOF_INVALID" },
    },
    {
      what: "a WIT-SVID and its proof beside a bearer token, as drafts had it before",
      headers: async (scene) => {
        const { authorization = "", ...wit } = await witHeaders(scene, null);
        return { ...bearer(scene), ...wit, "workload-proof-token": authorization.slice("WPT ".length) };
      },
      is: { status: 401, challenge: "WPT", reason: "PROOF_INVALID" },
    },
    {
      what: "a WIT-SVID as a Bearer token",
      headers: async () => ({ authorization: `Bearer ${witSvid(witSigner, holder)}` }),
      is: { status: 401, challenge: expect.stringMatching(/^Bearer error="invalid_token"/), reason: "TOKEN_MALFORMED" },
    },
  ])("refuses $what", async ({ headers, is }) => {
    const scene = (await guardedServerOf(line)) as AnyScene;
    expect(await ask(scene, await headers(scene))).toEqual(is);
    expect(scene.calls).toEqual([]);
  });

  test("takes a proof once", async () => {
    const scene = await guardedServerOf(line);
    const headers = await dpopHeaders(scene, boundToken(scene), holder);
    expect(await ask(scene, headers)).toMatchObject({ status: 200 });
    expect(await ask(scene, headers)).toMatchObject({
      status: 401,
      challenge: expect.stringMatching(
        /^DPoP error="invalid_dpop_proof", error_description="PROOF_REPLAYED: the proof was used before"/,
      ),
      reason: "PROOF_REPLAYED",
    });
  });

  test("gives a nonce out where it asks for one, and takes the proof that has it", async () => {
    const scene = await guardedServerOf(line, { proofs: { dpopNonces: {} } });
    const token = boundToken(scene);
    const response = await scene.post(CALL, await dpopHeaders(scene, token, holder));
    const nonce = response.headers.get("dpop-nonce");
    expect(await answerOf(scene, response)).toEqual({
      status: 401,
      challenge: `DPoP error="use_dpop_nonce", error_description="NONCE_REQUIRED: the DPoP proof must have a nonce of this server", algs="${ALGORITHMS}", ${METADATA}`,
      reason: "NONCE_REQUIRED",
    });
    expect(await ask(scene, await dpopHeaders(scene, token, holder, { nonce }))).toMatchObject({ status: 200 });
  });

  test("holds a step with a proof to its grant, and says so in its scheme", async () => {
    const scene = await guardedServerOf(line);
    const headers = await dpopHeaders(scene, boundToken(scene), holder);
    const response = await scene.post({ ...CALL, params: { name: "erase", arguments: {} } }, headers);
    expect(await answerOf(scene, response)).toEqual({
      status: 403,
      challenge: `DPoP error="insufficient_scope", error_description="GRANT_EXCEEDED: the grant of the step does not permit this, which takes a step that was opened for it (refused: erase at <origin>/mcp to write of internal)", scope="mcp:tool:erase", algs="${ALGORITHMS}", ${METADATA}`,
      reason: "GRANT_EXCEEDED",
    });
  });

  test("refuses a step that has ended, whatever it proves", async () => {
    const scene = await guardedServerOf(line);
    await scene.endStep();
    expect(await ask(scene, await dpopHeaders(scene, boundToken(scene), holder))).toMatchObject({
      status: 401,
      challenge: expect.stringMatching(
        /^DPoP error="invalid_token", error_description="STEP_CLOSED: the step has ended"/,
      ),
      reason: "STEP_CLOSED",
    });
  });

  test("serves a step with a WIT-SVID, its proof and a transaction token, of which its handler sees none", async () => {
    const scene = await guardedServerOf(line);
    const headers = await witHeaders(scene);
    expect(await ask(scene, headers)).toMatchObject({ status: 200 });
    expect(scene.calls).toHaveLength(1);
    const seen = line.headersOf(scene.calls[0]?.context as never);
    for (const secret of Object.values(headers)) expect(seen).not.toContain(secret.slice(-40));
    expect(await ask(scene, headers)).toEqual({ status: 401, challenge: "WPT", reason: "PROOF_REPLAYED" });
  });

  test("holds a step to the grant of its transaction token, with no challenge since no other would help", async () => {
    const scene = await guardedServerOf(line);
    const response = await scene.post({ ...CALL, params: { name: "erase", arguments: {} } }, await witHeaders(scene));
    expect(await answerOf(scene, response)).toEqual({ status: 403, challenge: undefined, reason: "GRANT_EXCEEDED" });
    expect(scene.calls).toEqual([]);
  });

  test("refuses a step that has ended, whatever its WIT-SVID proves", async () => {
    const scene = await guardedServerOf(line);
    await scene.endStep();
    expect(await ask(scene, await witHeaders(scene))).toEqual({
      status: 401,
      challenge: "WPT",
      reason: "STEP_CLOSED",
    });
  });

  test("that requires proofs refuses a bearer token", async () => {
    const scene = await guardedServerOf(line, { proof: "required" });
    expect(await ask(scene, bearer(scene))).toEqual({
      status: 401,
      challenge: `Bearer error="invalid_token", error_description="PROOF_REQUIRED: a token that is bound to a key, and the proof of that key, are required", ${METADATA}, DPoP algs="${ALGORITHMS}", ${METADATA}, WPT`,
      reason: "PROOF_REQUIRED",
    });
    expect(await ask(scene, await witHeaders(scene))).toMatchObject({ status: 200 });
    expect(await ask(scene, await dpopHeaders(scene, boundToken(scene), holder))).toMatchObject({ status: 200 });
  });

  test("that looks at no proofs knows no other scheme than Bearer, and refuses bound tokens", async () => {
    const scene = await guardedServerOf(line, { proof: "none" });
    expect(await ask(scene, await dpopHeaders(scene, boundToken(scene), holder))).toEqual({
      status: 401,
      challenge: `Bearer ${METADATA}`,
      reason: "TOKEN_MISSING",
    });
    expect(await ask(scene, { authorization: `Bearer ${boundToken(scene)}` })).toMatchObject({
      status: 401,
      challenge: expect.stringMatching(/^Bearer error="invalid_token"/),
      reason: "PROOF_REQUIRED",
    });
    expect(await ask(scene, bearer(scene))).toMatchObject({ status: 200 });
  });

  test("takes a token that is bound to the certificate of its connection, and on no other", async () => {
    const [server, client, other] = [makePeer("127.0.0.1"), makePeer("client"), makePeer("other")];
    const scene = await guardedServerOf(line, { tls: server });
    const token = scene.token({ cnf: { "x5t#S256": certificateHash(client) } });
    const statuses = [];
    for (const peer of [client, other, undefined])
      statuses.push(await postWith(scene.resource, server.cert, token, peer));
    expect(statuses).toEqual([200, 401, 401]);
    expect(scene.guard.metadata.tls_client_certificate_bound_access_tokens).toBe(true);
  });
});

function bearer(scene: AnyScene): Record<string, string> {
  return { authorization: `Bearer ${scene.token()}` };
}

/** A transaction token for the scene's server. */
function transaction({ resource }: AnyScene, tctx: Json = {}): string {
  const { authorization_details } = searchGrant(resource);
  const claims = { iat: now() - 5, exp: now() + 120 };
  return txnToken(txnSigner, { claims, tctx: { location: resource, authorization_details, ...tctx } });
}

/** A WIT-SVID with its proof; with a transaction token unless there is to be none. */
async function witHeaders(
  scene: AnyScene,
  txn: string | null = transaction(scene),
  claims: Json = {},
): Promise<Record<string, string>> {
  const token = witSvid(witSigner, holder, { claims: { iat: now(), nbf: now() - 5, exp: now() + 120 } });
  const tth = txn === null ? undefined : hashOf(txn);
  const proof = await workloadProof(holder, token, {
    claims: { aud: scene.resource, exp: now() + 30, tth, ...claims },
  });
  const headers = { authorization: `WPT ${proof}`, "workload-identity-token": token };
  return txn === null ? headers : { ...headers, "txn-token": txn };
}

/** The status of a call on a connection with this peer's certificate. */
function postWith(resource: string, ca: string, token: string, peer: Peer | undefined): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const headers = {
      authorization: `Bearer ${token}`,
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
    };
    const request = tlsRequest(resource, { method: "POST", agent: false, ca, headers, ...peer }, (response) => {
      response.resume().on("end", () => resolve(response.statusCode));
    });
    request.on("error", reject).end(JSON.stringify(CALL));
  });
}

describe("the URI that a proof must be for", () => {
  const resource = "https://mcp.example.com/mcp";
  test.for([
    { url: "https://mcp.example.com/mcp?a=b", is: "https://mcp.example.com/mcp" },
    { url: "http://10.0.0.1:8080/mcp", is: "https://mcp.example.com/mcp" },
    { url: "http://10.0.0.1:8080/mcp/x", is: "https://mcp.example.com/mcp/x" },
    { url: "http://10.0.0.1:8080/", is: "https://mcp.example.com/mcp" },
    { url: "http://10.0.0.1:8080/mcpx", is: "https://mcp.example.com/mcp" },
  ])("is $is for what arrives at $url", ({ url, is }) => {
    expect(requestTargetOf(resource, url)).toBe(is);
  });

  test("keeps the path of a resource that is a whole host", () => {
    expect(requestTargetOf("https://mcp.example.com", "http://10.0.0.1//evil.example.com/x")).toBe(
      "https://mcp.example.com//evil.example.com/x",
    );
  });
});
