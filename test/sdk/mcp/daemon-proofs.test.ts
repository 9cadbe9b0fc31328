import { once } from "node:events";
import { createServer as createPlainServer, type Server } from "node:http";
import { createServer, request as tlsRequest } from "node:https";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Credentials } from "../../../src/gen/stint/v1/credentials_pb.js";
import { createMcpGuard } from "../../../src/sdk/mcp/index.ts";
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
        { kind: "agent", name: "researcher", selectors, ceiling: grant },
        { kind: "runtime", name: "flow", selectors, agents: ["researcher"] },
        { kind: "verifier", name: "mcp", selectors, audiences: [plain, secure] },
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

  function next(options: Pick<HoldOptions, "proof"> = {}): Promise<Step> {
    run += 1;
    return stint.openStep({ runId: `run-${run}`, step: "search", grant, ...options });
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

  test("has its Workload Proof Token taken once, for this URL and this token, by this key alone", async () => {
    const [step, thief] = [await next(), await next()];
    const proved = await provedBy(step);
    expect(await reasonOf(await post(proved))).toEqual([200, "found"]);
    expect(await reasonOf(await post(proved))).toEqual([400, "PROOF_REPLAYED"]);

    const token = proved.authorization.slice("Bearer ".length);
    const [wit, other] = [await step.witSvid(), await thief.witSvid()];
    const refusals = {
      without: undefined,
      "for another URL": wit.proof({ url: `${plain}/other`, token }),
      "for another server": wit.proof({ url: secure, token }),
      "of the WIT-SVID alone": wit.proof({ url: plain }),
      "of another token": wit.proof({ url: plain, token: (await thief.jwtSvid(plain)).svid() }),
      "by another key": other.proof({ url: plain, token }),
    };
    for (const [what, proof] of Object.entries(refusals)) {
      const { "workload-proof-token": _, ...rest } = proved;
      const headers = proof === undefined ? rest : { ...rest, "workload-proof-token": proof };
      expect([what, ...(await reasonOf(await post(headers)))]).toEqual([what, 400, "PROOF_INVALID"]);
    }
    const mixed = { ...(await provedBy(thief, token)), authorization: proved.authorization };
    expect(await reasonOf(await post(mixed))).toEqual([400, "PROOF_MISMATCH"]);
    await Promise.all([step.close(), thief.close()]);
  });

  test("is known by its WIT-SVID and proof without a token, and may do nothing by them", async () => {
    const step = await next();
    const alone = async () => {
      const wit = await step.witSvid();
      return { "workload-identity-token": wit.svid(), "workload-proof-token": wit.proof({ url: plain }) };
    };
    const verified = verifier.verifyRequest({ method: "POST", url: plain, headers: await alone() });
    expect(verified).toMatchObject({ kind: "wit-svid", step: { spiffeId: step.spiffeId } });
    expect(verified.step).not.toHaveProperty("grant");
    expect(verified.step.claims).not.toHaveProperty("authorization_details");
    expect(await reasonOf(await post(await alone()))).toEqual([401, "TOKEN_MISSING"]);
    const authorization = `Bearer ${(await step.witSvid()).svid()}`;
    expect(await reasonOf(await post({ authorization }))).toEqual([401, "TOKEN_MALFORMED"]);
    await step.close();
  });

  /** The headers of one call by hand, with a token of the step's own unless another is given. */
  async function provedBy(step: Step, token?: string) {
    const [wit, svid] = [await step.witSvid(), await step.jwtSvid(plain)];
    return {
      authorization: svid.authorization(),
      "workload-identity-token": wit.svid(),
      "workload-proof-token": wit.proof({ url: plain, token: token ?? svid.svid() }),
    };
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

  test("identifies itself with a WIT-SVID beside its token, until it has ended", async () => {
    const step = await next();
    const holder = await newHolder();
    const wit = await issueWit(daemon, step.stepId, holder);
    const authorization = (await step.jwtSvid(plain)).authorization();
    const headers = async (ath?: string) => ({
      "workload-identity-token": wit,
      "workload-proof-token": await workloadProof(holder, wit, { claims: { aud: plain, exp: now() + 30, ath } }),
    });
    const both = async () => ({ authorization, ...(await headers(hashOf(authorization.slice("Bearer ".length)))) });
    expect(await reasonOf(await post(await both()))).toEqual([200, "found"]);
    const alone = { method: "POST", url: plain, headers: await headers() };
    expect(verifier.verifyRequest(alone)).toMatchObject({ kind: "wit-svid", step: { spiffeId: step.spiffeId } });
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
