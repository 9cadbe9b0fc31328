import { describe, expect, onTestFinished, test } from "vitest";
import { createMcpGuard } from "../../../src/sdk/mcp/index.ts";
import { createMcpGuard as createMcpGuardV1 } from "../../../src/sdk/mcp-v1/index.ts";
import { createVerifier } from "../../../src/sdk/verifier/index.ts";
import { dpopProof, newHolder } from "../../verify/proof-forge.ts";
import { bitsOf, inList, LIST, type ListChanges, statusList } from "../../verify/status-list-forge.ts";
import { ecSigner, ISSUER, type Json, mint } from "../../verify/token-forge.ts";
import { manualClock } from "../verifier/manual-clock.ts";
import { scriptedIssuer } from "../verifier/scripted-issuer.ts";
import { searchGrant } from "./scene.ts";
import { SDK_LINES } from "./sdk-lines.ts";

// Guarded servers of each line of the official SDK, whose verifier hears of revocations by status lists.

const own = ecSigner("own");
const events = ecSigner("events");
const holder = await newHolder();
const RESOURCE = "https://mcp.example.org/mcp";
const TOOLS = {
  search: { actions: ["read"], datatypes: ["internal"] },
  wait: { actions: ["read"], datatypes: ["internal"] },
} as const;
const PATH = `/status/${LIST}`;
const TTL_MS = 5_001;

/** A verifier at an issuer with one list, at the time that it is now. */
async function listScene() {
  const issuer = await scriptedIssuer({ own, events });
  const clock = manualClock(Date.now());
  const now = (aheadMs = 0) => Math.floor((clock.wallMs() + aheadMs) / 1_000);
  const serve = (changes: ListChanges, aheadMs = 0) =>
    issuer.serve(PATH, statusList(events, { claims: { iat: now(aheadMs), exp: now(aheadMs) + 60 }, ...changes }));
  serve({});
  const revocation = { from: "status-list", issuer: ISSUER, trustDomain: "example.org", url: issuer.url } as const;
  const verifier = createVerifier({ audiences: [RESOURCE], clock, revocation });
  onTestFinished(() => verifier.close());
  await verifier.ready();
  const times = { iat: now(), nbf: now() - 5, exp: now() + 120 };
  return {
    ...{ issuer, clock, verifier, serve, now },
    token: (idx: number, claims: Json = {}, tool = "search") =>
      mint(own, { claims: { aud: [RESOURCE], ...times, ...searchGrant(RESOURCE, tool), ...inList(idx), ...claims } }),
  };
}

function request(headers: Record<string, string>, tool = "search"): Request {
  const message = { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: tool, arguments: {} } };
  const given = { "content-type": "application/json", accept: "application/json, text/event-stream", ...headers };
  return new Request(RESOURCE, { method: "POST", headers: given, body: JSON.stringify(message) });
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

async function reasonOf(response: Response): Promise<string> {
  const [, reason = `${response.status}`] = /"reason":"([A-Z_]+)"/.exec(await response.text()) ?? [];
  return reason;
}

describe.for(SDK_LINES)("a guarded server of the MCP SDK $version", ({ line }) => {
  async function guarded() {
    const scene = await listScene();
    const guard = line.createGuard({ verifier: scene.verifier, resource: RESOURCE, issuer: ISSUER, tools: TOOLS });
    const begun = Promise.withResolvers<void>();
    const mcp = line.serve(() => begun.resolve());
    onTestFinished(() => mcp.close());
    const call = (headers: Record<string, string>, tool?: string) => guard.fetch(request(headers, tool), mcp.fetch);
    return { ...scene, call, begun: begun.promise };
  }

  test("serves the first token of a list, with a proof or without, and refuses what its list does", async () => {
    const { token, call, serve, now } = await guarded();
    serve({ bytes: bitsOf([2]) });
    expect(await reasonOf(await call(bearer(token(1))))).toBe("200");
    const bound = token(3, { cnf: { jkt: holder.jkt } });
    const proof = await dpopProof(holder, bound, { claims: { iat: now(), htu: RESOURCE } });
    expect(await reasonOf(await call({ authorization: `DPoP ${bound}`, dpop: proof }))).toBe("200");
    expect(await reasonOf(await call(bearer(bound)))).toBe("PROOF_REQUIRED");
    const revoked = await call(bearer(token(2)));
    expect([revoked.status, await reasonOf(revoked)]).toEqual([401, "REVOKED"]);
    const unlisted = await call(bearer(token(1, { status: undefined })));
    expect([unlisted.status, await reasonOf(unlisted)]).toEqual([401, "CLAIMS_INVALID"]);
  });

  test("stops a call within a refresh of its list, and answers 503 where the list can't be had", async () => {
    const { token, call, serve, clock, issuer, begun } = await guarded();
    const answer = call(bearer(token(1, {}, "wait")), "wait");
    await begun;
    serve({ bytes: bitsOf([1]) }, TTL_MS);
    clock.advance(TTL_MS);
    expect(await reasonOf(await answer)).toBe("REVOKED");
    issuer.stop();
    clock.advance(TTL_MS);
    clock.suspend(60_000);
    const late = await call(bearer(token(3)));
    expect([late.status, await reasonOf(late)]).toEqual([503, "STALE"]);
  });

  test("stops a call when its token has expired, since nothing is told of it any more", async () => {
    const { token, call, serve, clock, begun, now } = await guarded();
    serve({ claims: { iat: now(), exp: now() + 600 } });
    const answer = call(bearer(token(1, { exp: now() + 2 }, "wait")), "wait");
    await begun;
    clock.advance(7_001);
    expect(await reasonOf(await answer)).toBe("EXPIRED");
  });
});

test("the bearer middleware of the SDK is told whose a token is, the first of its list too", async () => {
  const { verifier, token, serve } = await listScene();
  serve({ bytes: bitsOf([2]) });
  for (const createGuard of [createMcpGuard, createMcpGuardV1]) {
    const { verifyAccessToken } = createGuard({ verifier, resource: RESOURCE, issuer: ISSUER, tools: TOOLS });
    expect(await verifyAccessToken(token(1))).toMatchObject({ clientId: "spiffe://example.org/agent/researcher" });
    await expect(verifyAccessToken(token(2))).rejects.toThrow("the token is not valid any more by its status list");
  }
});
