import { once } from "node:events";
import { createServer as createPlainServer, type Server } from "node:http";
import { createServer, request as tlsRequest } from "node:https";
import type { AddressInfo } from "node:net";
import { decodeJwt, decodeProtectedHeader } from "jose";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AuthorityState } from "../../../src/gen/stint/v1/authorities_pb.js";
import { Credentials } from "../../../src/gen/stint/v1/credentials_pb.js";
import { IssuanceState, SvidKind } from "../../../src/gen/stint/v1/types_pb.js";
import { createMcpGuard } from "../../../src/sdk/mcp/index.ts";
import { connectOperator } from "../../../src/sdk/operator/index.ts";
import {
  createDpopKey,
  createStint,
  type Grant,
  type HoldOptions,
  type Step,
  type Stint,
} from "../../../src/sdk/runtime/index.ts";
import { createVerifier, type Verifier } from "../../../src/sdk/verifier/index.ts";
import { openChannel } from "../../../src/wire/channel.ts";
import { createClient } from "../../../src/wire/client.ts";
import { type Daemon, startDaemon } from "../../daemon.ts";
import { type Holder, hashOf, newHolder, workloadProof } from "../../verify/proof-forge.ts";
import { makePeer } from "./peer-certificate.ts";

const CALL = { jsonrpc: "2.0", id: 7, method: "tools/call", params: { name: "search", arguments: {} } };
const JSON_TYPE = { "content-type": "application/json", accept: "application/json, text/event-stream" };
const now = () => Math.floor(Date.now() / 1_000);

/** Bound tokens and WIT-SVIDs of a real broker, at guards that require proofs. */
describe("a step of a real broker that proves what it has", () => {
  let daemon: Daemon;
  let stint: Stint;
  let verifier: Verifier;
  /** One without TLS, and one with. */
  let plain: string;
  let secure: string;
  let grant: Grant;
  let run = 0;
  const tls = makePeer("127.0.0.1");
  const servers: Server[] = [
    createPlainServer(),
    createServer({ ...tls, requestCert: true, rejectUnauthorized: false }) as unknown as Server,
  ];

  beforeAll(async () => {
    for (const server of servers) await once(server.listen(0, "127.0.0.1"), "listening");
    const [first, second] = servers.map((server) => (server.address() as AddressInfo).port);
    plain = `http://127.0.0.1:${first}/mcp`;
    secure = `https://127.0.0.1:${second}/mcp`;
    const read = { actions: ["read"], datatypes: ["internal"] } as const;
    grant = [{ type: "mcp_tool", locations: [plain, secure], identifier: "search", ...read }];
    const selectors = [`unix:uid:${process.getuid?.()}`];
    daemon = await startDaemon({
      entries: [
        {
          kind: "agent",
          name: "researcher",
          selectors,
          ceiling: [{ ...(grant[0] as Grant[number]), identifier: "*" }],
        },
        { kind: "runtime", name: "flow", selectors, agents: ["researcher"] },
        { kind: "verifier", name: "mcp", selectors, audiences: [plain, secure] },
        { kind: "operator", name: "op", selectors, role: "admin" },
      ],
    });
    const endpoint = `unix://${daemon.workloadSocket}`;
    stint = createStint({ endpoint, agent: "researcher" });
    const audiences = [plain, secure];
    verifier = createVerifier({ endpoint, audiences, development: true, proofs: { dpopNonces: {} } });
    await verifier.ready();
    for (const [index, resource] of audiences.entries()) {
      const issuer = "https://broker.example.org";
      const guard = createMcpGuard({ verifier, resource, issuer, tools: { search: read }, proof: "required" });
      servers[index]?.on(
        "request",
        guard.listener(async () => Response.json("found")),
      );
    }
  });
  afterAll(async () => {
    stint?.close();
    verifier?.close();
    for (const server of servers) {
      server.closeAllConnections();
      server.close();
    }
    await daemon?.[Symbol.asyncDispose]();
  });

  function next(options: Pick<HoldOptions, "proof"> = {}, granted = grant): Promise<Step> {
    run += 1;
    return stint.openStep({ runId: `run-${run}`, step: "search", grant: granted, ...options });
  }

  async function reasonOf(response: Response): Promise<readonly unknown[]> {
    const body = (await response.json()) as { error?: { data?: { reason?: string } } };
    return [response.status, body.error?.data?.reason ?? body];
  }

  const post = (headers: Record<string, string>) =>
    fetch(plain, { method: "POST", headers: { ...JSON_TYPE, ...headers }, body: JSON.stringify(CALL) });

  test("calls a tool with DPoP proofs, nonce and all, and is refused once it has ended", async () => {
    const step = await next({ proof: "dpop" });
    const call = () => step.fetch(plain, { method: "POST", headers: JSON_TYPE, body: JSON.stringify(CALL) });
    expect(await reasonOf(await call())).toEqual([200, "found"]);
    expect(await reasonOf(await call())).toEqual([200, "found"]);
    await step.close("COMPLETED", { awaitReceiptsSeconds: 10 });
    await expect(call()).rejects.toMatchObject({ reason: "STEP_CLOSED" });
  });

  test("finds its bound token worth nothing to whoever has it alone, or with another key", async () => {
    const step = await next();
    const [key, thief] = [await createDpopKey(), await createDpopKey()];
    const svid = await step.jwtSvid(plain, { boundTo: key });
    expect(await reasonOf(await post({ authorization: `Bearer ${svid.svid()}` }))).toEqual([401, "PROOF_REQUIRED"]);
    const request = { method: "POST", url: plain, token: svid.svid() };
    const authorization = svid.authorization();
    expect(await reasonOf(await post({ authorization, dpop: thief.proof(request) }))).toEqual([401, "PROOF_MISMATCH"]);
    const asked = await post({ authorization, dpop: key.proof(request) });
    const nonce = asked.headers.get("dpop-nonce") ?? "";
    const dpop = key.proof({ ...request, nonce });
    expect(await reasonOf(await post({ authorization, dpop }))).toEqual([200, "found"]);
    expect(await reasonOf(await post({ authorization, dpop }))).toEqual([401, "PROOF_REPLAYED"]);
    await step.close();
  });

  test("calls a tool with Workload Proof Tokens, and is refused once it has ended", async () => {
    const step = await next({ proof: "wpt" });
    const call = () => step.fetch(plain, { method: "POST", headers: JSON_TYPE, body: JSON.stringify(CALL) });
    expect(await reasonOf(await call())).toEqual([200, "found"]);
    expect(await reasonOf(await call())).toEqual([200, "found"]);
    const proved = await provedBy(step);
    await step.close("COMPLETED", { awaitReceiptsSeconds: 10 });
    await expect(call()).rejects.toMatchObject({ reason: "STEP_CLOSED" });
    // What was left over is worth nothing either.
    expect(await reasonOf(await post(proved))).toEqual([401, "STEP_CLOSED"]);
  });

  test("has its Workload Proof Token taken once, for this URL and these tokens, by this key alone", async () => {
    const [step, thief] = [await next(), await next()];
    const proved = await provedBy(step);
    expect(await reasonOf(await post(proved))).toEqual([200, "found"]);
    const replayed = await post(proved);
    expect(replayed.headers.get("www-authenticate")).toBe("WPT");
    expect(await reasonOf(replayed)).toEqual([401, "PROOF_REPLAYED"]);

    const txnToken = proved["txn-token"];
    const [wit, other] = [await step.witSvid(), await thief.witSvid()];
    const refusals = {
      without: undefined,
      "for another URL": wit.authorization({ url: `${plain}/other`, txnToken }),
      "for another server": wit.authorization({ url: secure, txnToken }),
      "of the WIT-SVID alone": wit.authorization({ url: plain }),
      "of another token": wit.authorization({ url: plain, txnToken: (await thief.txnToken(plain)).token() }),
      "by another key": other.authorization({ url: plain, txnToken }),
    };
    for (const [what, authorization] of Object.entries(refusals)) {
      const { authorization: _, ...rest } = proved;
      const headers = authorization === undefined ? rest : { ...rest, authorization };
      expect([what, ...(await reasonOf(await post(headers)))]).toEqual([what, 401, "PROOF_INVALID"]);
    }
    // A thief that is a step itself proves the stolen token with its own key.
    expect(await reasonOf(await post(await provedBy(thief, txnToken)))).toEqual([401, "PROOF_MISMATCH"]);
    // A token for another of the step's servers, by its own proof.
    const elsewhere = (await step.txnToken(secure)).token();
    expect(await reasonOf(await post(await provedBy(step, elsewhere)))).toEqual([401, "AUDIENCE_MISMATCH"]);
    await Promise.all([step.close(), thief.close()]);
  });

  test("is refused with a transaction token that was revoked by its jti, and gets another", async () => {
    const step = await next({ proof: "wpt" });
    const call = () => step.fetch(plain, { method: "POST", headers: JSON_TYPE, body: JSON.stringify(CALL) });
    expect(await reasonOf(await call())).toEqual([200, "found"]);
    const token = (await step.txnToken(plain)).token();
    const { jti = "" } = decodeJwt(token);
    const by = connectOperator({ socket: daemon.operatorSocket });
    await by.revocations.revoke({ target: { case: "jti", value: jti }, reason: "keyCompromise" });
    expect(await reasonOf(await post(await provedBy(step, token)))).toEqual([401, "REVOKED"]);
    expect(await reasonOf(await call())).toEqual([200, "found"]);
    const { issuances } = await by.history.listIssuances({
      filter: { runId: step.name.runId },
      kind: SvidKind.TXN_TOKEN,
    });
    expect(issuances.map((one) => [one.jti === jti, one.audiences, one.state])).toEqual([
      [false, [plain], IssuanceState.LIVE],
      [true, [plain], IssuanceState.REVOKED],
    ]);
    await step.close();
    by.close();
  });

  test("loses the transaction tokens of a key that is tainted, and has others by the key that came after it", async () => {
    const step = await next({ proof: "wpt" });
    const old = (await step.txnToken(plain)).token();
    const by = connectOperator({ socket: daemon.operatorSocket });
    const kind = SvidKind.TXN_TOKEN;
    const { authorities } = await by.authorities.list({});
    const signing = authorities.find((one) => one.kind === kind && one.state === AuthorityState.ACTIVE);
    expect(decodeProtectedHeader(old).kid).toBe(signing?.authorityId);
    const { authority } = await by.authorities.prepare({ kind });
    await by.authorities.activate({ authorityId: authority?.authorityId ?? "", now: true });
    expect(await reasonOf(await post(await provedBy(step, old)))).toEqual([200, "found"]);
    const { credentialsRevoked } = await by.authorities.taint({ authorityId: signing?.authorityId ?? "" });
    expect(credentialsRevoked).toBeGreaterThan(0);
    await expect
      .poll(async () => reasonOf(await post(await provedBy(step, old))))
      .toEqual([401, expect.stringMatching(/^(REVOKED|KEY_UNKNOWN)$/)]);
    const call = () => step.fetch(plain, { method: "POST", headers: JSON_TYPE, body: JSON.stringify(CALL) });
    expect(await reasonOf(await call())).toEqual([200, "found"]);
    expect(decodeProtectedHeader((await step.txnToken(plain)).token()).kid).toBe(authority?.authorityId);
    await step.close();
    by.close();
  });

  test("can be granted less by a transaction token than it holds", async () => {
    const both = [...grant, { ...(grant[0] as Grant[number]), identifier: "find" }];
    const step = await next({}, both);
    const narrow = await step.txnToken(plain, { grant: [{ ...(both[1] as Grant[number]), locations: [plain] }] });
    expect(await reasonOf(await post(await provedBy(step, narrow.token())))).toEqual([403, "GRANT_EXCEEDED"]);
    expect(await reasonOf(await post(await provedBy(step)))).toEqual([200, "found"]);
    await step.close();
  });

  test("has transaction tokens by keys that are in no document for JWT-SVIDs", async () => {
    const step = await next();
    const { kid = "" } = decodeProtectedHeader((await step.txnToken(plain)).token());
    const { kid: jwtKid = "" } = decodeProtectedHeader((await step.jwtSvid(plain)).svid());
    for (const path of ["/jwks.json", "/spiffe-bundle.json"]) {
      const document = await (await fetch(`${daemon.httpUrl}${path}`)).text();
      expect([document.includes(jwtKid), document.includes(kid)]).toEqual([true, false]);
    }
    await step.close();
  });

  test("is known by its WIT-SVID and proof without a token, and may do nothing by them", async () => {
    const step = await next();
    const alone = async () => {
      const wit = await step.witSvid();
      return { authorization: wit.authorization({ url: plain }), "workload-identity-token": wit.svid() };
    };
    const verified = verifier.verifyRequest({ method: "POST", url: plain, headers: await alone() });
    expect(verified).toMatchObject({ kind: "wit-svid", workload: { spiffeId: step.spiffeId } });
    if (verified.kind !== "wit-svid") throw new TypeError("another kind");
    expect(verified.workload).not.toHaveProperty("grant");
    expect(verified.workload.claims).not.toHaveProperty("authorization_details");
    expect(await reasonOf(await post(await alone()))).toEqual([401, "TOKEN_MISSING"]);
    const authorization = `Bearer ${(await step.witSvid()).svid()}`;
    expect(await reasonOf(await post({ authorization }))).toEqual([401, "TOKEN_MALFORMED"]);
    await step.close();
  });

  /** The headers of one call by hand, with a transaction token of the step's own unless another is given. */
  async function provedBy(step: Step, token?: string) {
    const wit = await step.witSvid();
    const txnToken = token ?? (await step.txnToken(plain)).token();
    const authorization = wit.authorization({ url: plain, txnToken });
    return { authorization, "workload-identity-token": wit.svid(), "txn-token": txnToken };
  }

  test("is refused with a bearer token where proofs are required", async () => {
    const step = await next();
    const svid = await step.jwtSvid(plain);
    expect(await reasonOf(await post({ authorization: svid.authorization() }))).toEqual([401, "PROOF_REQUIRED"]);
    await step.close();
  });

  test("calls a tool with a token that is bound to its X.509-SVID, on a connection with that and no other", async () => {
    const step = await next();
    const x509Svid = await step.x509Svid();
    const svid = await step.jwtSvid(secure, { boundTo: x509Svid });
    const own = { cert: x509Svid.tls().cert, key: x509Svid.tls().key };
    const statuses = [];
    for (const peer of [own, makePeer("other"), {}]) statuses.push(await postOn(peer, svid.authorization()));
    expect(statuses).toEqual([200, 401, 401]);
    await step.close("COMPLETED", { awaitReceiptsSeconds: 10 });
    expect(await postOn(own, svid.authorization())).toBe(401);
  });

  function postOn(peer: object, authorization: string): Promise<number | undefined> {
    return new Promise((resolve, reject) => {
      const options = { method: "POST", agent: false, ca: tls.cert, headers: { ...JSON_TYPE, authorization }, ...peer };
      const request = tlsRequest(secure, options, (response) => {
        response.resume().on("end", () => resolve(response.statusCode));
      });
      request.on("error", reject).end(JSON.stringify(CALL));
    });
  }

  test("proves itself with proofs that a library made, until it has ended", async () => {
    const step = await next();
    const holder = await newHolder();
    const wit = await issueWit(daemon, step.stepId, holder);
    const token = (await step.txnToken(plain)).token();
    const headers = async (tth?: string) => {
      const proof = await workloadProof(holder, wit, { claims: { aud: plain, exp: now() + 30, tth } });
      return { authorization: `WPT ${proof}`, "workload-identity-token": wit };
    };
    const both = async () => ({ "txn-token": token, ...(await headers(hashOf(token))) });
    expect(await reasonOf(await post(await both()))).toEqual([200, "found"]);
    const alone = { method: "POST", url: plain, headers: await headers() };
    expect(verifier.verifyRequest(alone)).toMatchObject({ kind: "wit-svid", workload: { spiffeId: step.spiffeId } });
    await step.close("COMPLETED", { awaitReceiptsSeconds: 10 });
    expect(await reasonOf(await post(await both()))).toEqual([401, "STEP_CLOSED"]);
    const later = { ...alone, headers: await headers() };
    expect(() => verifier.verifyRequest(later)).toThrow(
      expect.objectContaining({ code: "REVOKED", metadata: expect.objectContaining({ state: "COMPLETED" }) }),
    );
  });
});

async function issueWit({ workloadSocket }: Daemon, stepId: string, holder: Holder): Promise<string> {
  const channel = openChannel(`unix://${workloadSocket}`);
  try {
    const credentials = createClient(Credentials, channel);
    const { svid } = await credentials.issueWitSvid({ stepId, jwk: JSON.stringify(holder.jwk) });
    return svid?.svid ?? "";
  } finally {
    channel.close();
  }
}
