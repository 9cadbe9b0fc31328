import { createHash } from "node:crypto";
import { inspect } from "node:util";
import { calculateJwkThumbprint, decodeProtectedHeader, EmbeddedJWK, jwtVerify } from "jose";
import { describe, expect, test } from "vitest";
import { createDpopKey, type Grant, type HoldOptions } from "../../../src/sdk/runtime/index.ts";
import { bodyOf, loopback } from "./loopback.ts";
import { scriptedBroker, thrownBy } from "./scripted-broker.ts";

// Proofs that the SDK makes, judged by jose.

type Seen = { readonly authorization: string; readonly dpop: string; readonly url: string; readonly body: string };
type Answer = { readonly status: number; readonly headers?: Record<string, string> };

const ASKS_FOR_NONCE = (nonce: string): Answer => ({
  status: 401,
  headers: { "www-authenticate": 'Bearer, DPoP error="use_dpop_nonce", algs="ES256"', "dpop-nonce": nonce },
});

/** A server that gives these answers in turn, 200 after them, and keeps what it was sent. */
async function server(...answers: Answer[]) {
  const seen: Seen[] = [];
  const origin = await loopback(async (request, response) => {
    const { authorization = "", dpop = "" } = request.headers as Record<string, string>;
    seen.push({ authorization, dpop, url: request.url ?? "", body: await bodyOf(request) });
    const { status, headers = {} } = answers.shift() ?? { status: 200 };
    response.writeHead(status, headers).end("answer");
  });
  return { origin, seen };
}

function grantOf(location: string): Grant {
  return [
    { type: "mcp_tool", locations: [location], identifier: "search", actions: ["read"], datatypes: ["internal"] },
  ];
}

async function openStep(origin: string, options: HoldOptions = { proof: "dpop" }) {
  const broker = await scriptedBroker();
  const stint = broker.stint();
  const step = await stint.openStep({ runId: "run-1", step: "search", grant: grantOf(origin), ...options });
  return { broker, stint, step };
}

async function claimsOf(proof: string) {
  const { payload } = await jwtVerify(proof, EmbeddedJWK, { typ: "dpop+jwt", algorithms: ["ES256"] });
  return payload;
}

async function thumbprintIn(proof: string): Promise<string> {
  return calculateJwkThumbprint(decodeProtectedHeader(proof).jwk ?? {}, "sha256");
}

describe("a DPoP key", () => {
  test("makes proofs that others can verify, of one request each", async () => {
    const key = await createDpopKey();
    const request = { method: "POST", url: "https://mcp.example.com/mcp?a=b#c", token: "a.b.c" };
    const proof = key.proof(request);
    expect(await claimsOf(proof)).toEqual({
      jti: expect.stringMatching(/^[0-9a-f-]{36}$/),
      htm: "POST",
      htu: "https://mcp.example.com/mcp",
      iat: expect.closeTo(Date.now() / 1_000, -1),
      ath: createHash("sha256").update("a.b.c").digest("base64url"),
    });
    expect(await thumbprintIn(proof)).toBe(key.thumbprint);
    expect(Object.keys(decodeProtectedHeader(proof).jwk ?? {}).toSorted()).toEqual(["crv", "kty", "x", "y"]);
    expect((await claimsOf(key.proof(request))).jti).not.toBe((await claimsOf(proof)).jti);
    expect(await claimsOf(key.proof({ ...request, nonce: "n" }))).toMatchObject({ nonce: "n" });
  });

  test("is not in any print, and cannot be got out", async () => {
    const key = await createDpopKey();
    const texts = [
      String(key),
      JSON.stringify(key),
      inspect(key),
      inspect(key, { customInspect: false, showHidden: true }),
    ];
    for (const text of texts) expect(text).not.toMatch(/KeyObject|PRIVATE|"d"/);
    expect(inspect(key)).toBe(`DpopKey(${key.thumbprint})`);
    expect(Object.values(key).filter((value) => typeof value === "object")).toEqual([]);
  });
});

describe("a token", () => {
  test("is bound to what it is asked to be, and kept apart from others", async () => {
    const audience = "https://mcp.example.com/mcp";
    const { broker, step } = await openStep(audience, {});
    const key = await createDpopKey();
    const x509Svid = await step.x509Svid();
    const svids = [
      await step.jwtSvid(audience),
      await step.jwtSvid(audience, { boundTo: key }),
      await step.jwtSvid(audience, { boundTo: x509Svid }),
      await step.jwtSvid(audience, { boundTo: await createDpopKey() }),
    ];
    expect(new Set(svids.map((svid) => svid.svid())).size).toBe(4);
    expect(svids.map((svid) => svid.authorization().split(" ")[0])).toEqual(["Bearer", "DPoP", "Bearer", "DPoP"]);
    expect(await step.jwtSvid(audience, { boundTo: key })).toBe(svids[1]);
    const asked = broker.seen.minted.map(({ wanted }) => wanted?.cnf?.confirmation);
    const said = asked.map((one) => [one?.case, Buffer.from(one?.value ?? []).toString("base64url")]);
    const digest = createHash("sha256").update(x509Svid.certificates[0] ?? "");
    expect(said.slice(0, 3)).toEqual([
      [undefined, ""],
      ["jkt", key.thumbprint],
      ["x5tS256", digest.digest("base64url")],
    ]);
  });
});

describe("step.fetch with proofs", () => {
  test("presents a token that is bound to the key of its proofs, and each request has one of its own", async () => {
    const { origin, seen } = await server();
    const { broker, step } = await openStep(origin);
    await step.fetch(`${origin}/a?b=c`, { method: "PUT", body: "x" });
    await step.fetch(`${origin}/a`);
    const claims = await Promise.all(seen.map(({ dpop }) => claimsOf(dpop)));
    expect(claims).toMatchObject([
      { htm: "PUT", htu: `${origin}/a` },
      { htm: "GET", htu: `${origin}/a` },
    ]);
    expect(new Set(claims.map(({ jti }) => jti)).size).toBe(2);
    const [first] = seen;
    const token = first?.authorization.replace(/^DPoP /, "") ?? "";
    expect(claims[0]?.["ath"]).toBe(createHash("sha256").update(token).digest("base64url"));
    const jkt = broker.seen.minted[0]?.wanted?.cnf?.confirmation.value ?? new Uint8Array();
    expect(Buffer.from(jkt).toString("base64url")).toBe(await thumbprintIn(first?.dpop ?? ""));
    expect(broker.seen.minted).toHaveLength(1);
  });

  test("has a key for each step", async () => {
    const { origin, seen } = await server();
    const broker = await scriptedBroker();
    const stint = broker.stint({ proof: "dpop" });
    for (const step of ["one", "two"]) {
      await stint.withStep({ runId: "r", step, grant: grantOf(origin) }, (opened) => opened.fetch(origin));
    }
    const thumbprints = await Promise.all(seen.map(({ dpop }) => thumbprintIn(dpop)));
    expect(new Set(thumbprints).size).toBe(2);
  });

  test("goes from a parent to its children, and not past a step that says otherwise", async () => {
    const { origin, seen } = await server();
    const { step } = await openStep(origin);
    const child = await step.openStep({ step: "part", grant: grantOf(origin) });
    await child.fetch(origin);
    expect(seen[0]?.authorization).toMatch(/^DPoP /);
    expect(await thumbprintIn(seen[0]?.dpop ?? "")).toBeTruthy();
  });

  test("uses the first token that came with the step, which is bound too", async () => {
    const { origin, seen } = await server();
    const broker = await scriptedBroker();
    const first = { jwtSvids: [origin] };
    const step = await broker.stint().openStep({ runId: "r", step: "s", grant: grantOf(origin), first, proof: "dpop" });
    await step.fetch(origin);
    const [opened] = broker.seen.opened;
    const asked = opened?.credentials?.jwtSvids[0]?.cnf?.confirmation;
    expect(asked?.case).toBe("jkt");
    expect(Buffer.from(asked?.value ?? []).toString("base64url")).toBe(await thumbprintIn(seen[0]?.dpop ?? ""));
    expect(broker.seen.minted).toHaveLength(0);
  });

  test("answers a wish for a nonce once, with the same token and body, and keeps the nonce", async () => {
    const { origin, seen } = await server(
      ASKS_FOR_NONCE("n1"),
      { status: 200 },
      { status: 200, headers: { "dpop-nonce": "n2" } },
    );
    const { broker, step } = await openStep(origin);
    expect((await step.fetch(origin, { method: "POST", body: "sent" })).status).toBe(200);
    await step.fetch(origin);
    await step.fetch(origin);
    const claims = await Promise.all(seen.map(({ dpop }) => claimsOf(dpop)));
    expect(claims.map(({ nonce }) => nonce)).toEqual([undefined, "n1", "n1", "n2"]);
    expect(seen.slice(0, 2).map(({ body }) => body)).toEqual(["sent", "sent"]);
    expect(broker.seen.minted).toHaveLength(1);
  });

  test("tries a new token after the nonce, and then gives the answer as it is", async () => {
    const asks = [ASKS_FOR_NONCE("n1"), ASKS_FOR_NONCE("n2"), ASKS_FOR_NONCE("n3"), ASKS_FOR_NONCE("n4")];
    const { origin, seen } = await server(...asks);
    const { broker, step } = await openStep(origin);
    expect((await step.fetch(origin)).status).toBe(401);
    expect(seen).toHaveLength(3);
    expect(broker.seen.minted).toHaveLength(2);
  });

  test("gives the first answer when the body cannot be sent again", async () => {
    const { origin, seen } = await server(ASKS_FOR_NONCE("n1"));
    const { step } = await openStep(origin);
    const init = { method: "POST", body: new Blob(["sent"]).stream(), duplex: "half" } as RequestInit;
    expect((await step.fetch(origin, init)).status).toBe(401);
    expect(seen).toHaveLength(1);
  });

  test("does not mix with proofs of the caller's", async () => {
    const { origin, seen } = await server();
    const { step } = await openStep(origin);
    const refused = { reason: "AUTHORIZATION_GIVEN" };
    expect(await thrownBy(step.fetch(origin, { headers: { DPoP: "a.b.c" } }))).toMatchObject(refused);
    expect(seen).toEqual([]);
  });
});
