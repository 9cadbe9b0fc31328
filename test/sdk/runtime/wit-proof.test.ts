import { createHash } from "node:crypto";
import { compactVerify, importJWK, type JWK, jwtVerify } from "jose";
import { describe, expect, test } from "vitest";
import { BrokerError } from "../../../src/domain/errors.ts";
import type { Grant, HoldOptions } from "../../../src/sdk/runtime/index.ts";
import { bodyOf, loopback } from "./loopback.ts";
import { type Script, scriptedBroker, thrownBy } from "./scripted-broker.ts";

// Workload Proof Tokens that the SDK makes, judged by jose.

type Seen = {
  readonly authorization: string;
  readonly wit: string;
  readonly proof: string;
  readonly dpop: string | undefined;
  readonly body: string;
};

/** A server that answers with these statuses in turn, 200 after them, and keeps what it was sent. */
async function server(...statuses: number[]) {
  const seen: Seen[] = [];
  const origin = await loopback(async (request, response) => {
    const { headers } = request;
    const { authorization = "", dpop } = headers as Record<string, string | undefined>;
    const wit = String(headers["workload-identity-token"]);
    const proof = String(headers["workload-proof-token"]);
    seen.push({ authorization, wit, proof, dpop, body: await bodyOf(request) });
    response.writeHead(statuses.shift() ?? 200).end("answer");
  });
  return { origin, seen };
}

function grantOf(location: string): Grant {
  return [
    { type: "mcp_tool", locations: [location], identifier: "search", actions: ["read"], datatypes: ["internal"] },
  ];
}

async function openStep(origin: string, options: HoldOptions & { readonly script?: Script } = {}) {
  const { script, ...more } = options;
  const broker = await scriptedBroker(script);
  const stint = broker.stint();
  const step = await stint.openStep({ runId: "run-1", step: "search", grant: grantOf(origin), proof: "wpt", ...more });
  return { broker, stint, step };
}

type Broker = Awaited<ReturnType<typeof scriptedBroker>>;

/** The keys that the broker was shown, as it was shown them. */
function jwksOf(broker: Broker): JWK[] {
  return broker.seen.wits.map(({ jwk }) => JSON.parse(jwk) as JWK);
}

/** Header and claims of a proof, once its signature holds by the key of the WIT-SVID that was minted last, or `mint`-th. */
async function verified(proof: string, broker: Broker, mint = broker.seen.wits.length) {
  const key = await importJWK(jwksOf(broker)[mint - 1] ?? {}, "ES256");
  const { protectedHeader, payload } = await jwtVerify(proof, key);
  return { header: protectedHeader, claims: payload };
}

function hashOf(token: string): string {
  return createHash("sha256").update(token, "ascii").digest("base64url");
}

const AUDIENCE = "https://mcp.example.com/mcp";

describe("a Workload Proof Token", () => {
  test("has the header and the claims of draft-ietf-wimse-wpt, section Workload Proof Token, and no others", async () => {
    const { broker, step } = await openStep(AUDIENCE);
    const wit = await step.witSvid();
    const earliest = Math.floor(Date.now() / 1_000);
    const proof = wit.proof({ url: `${AUDIENCE}?a=b#c`, token: "a.b.c", transactionToken: "d.e.f" });
    const { header, claims } = await verified(proof, broker);
    expect(header).toEqual({ alg: "ES256", typ: "wpt+jwt" });
    expect(claims).toEqual({
      aud: AUDIENCE,
      exp: expect.toSatisfy((exp: number) => exp >= earliest + 30 && exp <= Date.now() / 1_000 + 30),
      jti: expect.stringMatching(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/),
      wth: hashOf(wit.svid()),
      ath: hashOf("a.b.c"),
      tth: hashOf("d.e.f"),
    });
  });

  test("names the tokens that are there, and is never the same twice", async () => {
    const { broker, step } = await openStep(AUDIENCE);
    const wit = await step.witSvid();
    const proofs = [wit.proof({ url: AUDIENCE }), wit.proof({ url: AUDIENCE })];
    const [first, second] = await Promise.all(proofs.map(async (proof) => (await verified(proof, broker)).claims));
    expect(Object.keys(first ?? {}).toSorted()).toEqual(["aud", "exp", "jti", "wth"]);
    expect(first?.jti).not.toBe(second?.jti);
  });

  test("does not outlive its WIT-SVID", async () => {
    const { broker, step } = await openStep(AUDIENCE, { script: { ttl: 10 } });
    const wit = await step.witSvid();
    const { claims } = await verified(wit.proof({ url: AUDIENCE }), broker);
    expect(claims.exp).toBe(Math.floor(wit.expiresAt.getTime() / 1_000));
  });
});

describe("step.witSvid", () => {
  test("shows the broker a public key and nothing else of it, and callers at one time share what comes", async () => {
    const { broker, step } = await openStep(AUDIENCE);
    const [one, other] = await Promise.all([step.witSvid(), step.witSvid()]);
    expect(one).toBe(other);
    expect(await step.witSvid()).toBe(one);
    expect(one).toMatchObject({ issuanceId: "iss_3", spiffeId: step.spiffeId });
    const text = expect.stringMatching(/^[\w-]{43}$/);
    expect(jwksOf(broker)).toEqual([{ kty: "EC", crv: "P-256", x: text, y: text, alg: "ES256" }]);
    expect(broker.seen.wits[0]?.stepId).toBe(step.stepId);
  });

  test("has a key of its own each time it is made anew, and proves that one", async () => {
    const { broker, step } = await openStep(AUDIENCE, { script: { ttl: 1 } });
    const wits = [await step.witSvid(), await step.witSvid()];
    expect(new Set(jwksOf(broker).map(({ x }) => x)).size).toBe(2);
    for (const [index, wit] of wits.entries()) {
      const key = await importJWK(jwksOf(broker)[index] ?? {}, "ES256");
      // The signature alone: what lives for a second may have expired by now.
      const { payload } = await compactVerify(wit.proof({ url: AUDIENCE }), key);
      expect(JSON.parse(Buffer.from(payload).toString())).toMatchObject({ wth: hashOf(wit.svid()) });
    }
  });

  test("gives none once the step is closed, and ends the step when the broker says so first", async () => {
    const closed = await openStep(AUDIENCE);
    await closed.step.witSvid();
    await closed.step.close();
    expect(await thrownBy(closed.step.witSvid())).toMatchObject({ reason: "STEP_CLOSED" });

    const witSvid = () => {
      throw new BrokerError("STEP_CLOSED", "the step is REVOKED", { metadata: { state: "REVOKED" } });
    };
    const { step } = await openStep(AUDIENCE, { script: { witSvid } });
    expect(await thrownBy(step.witSvid())).toMatchObject({ reason: "STEP_CLOSED", metadata: { state: "REVOKED" } });
    expect(step.signal.aborted).toBe(true);
  });
});

describe("step.fetch with Workload Proof Tokens", () => {
  test("sends WIT-SVID and proof in their own headers, and a proof of its own with every request", async () => {
    const { origin, seen } = await server();
    const { broker, step } = await openStep(origin);
    await step.fetch(`${origin}/a?b=c`, { method: "PUT", body: "x" });
    await step.fetch(`${origin}/b`);
    const token = seen[0]?.authorization.slice("Bearer ".length) ?? "";
    expect(seen.map(({ authorization }) => authorization)).toEqual([`Bearer ${token}`, `Bearer ${token}`]);
    const wit = (await step.witSvid()).svid();
    expect(seen.map((one) => [one.wit, one.dpop])).toEqual([
      [wit, undefined],
      [wit, undefined],
    ]);
    const claims = await Promise.all(seen.map(async ({ proof }) => (await verified(proof, broker)).claims));
    const hashes = { wth: hashOf(wit), ath: hashOf(token) };
    expect(claims).toMatchObject([
      { aud: `${origin}/a`, ...hashes },
      { aud: `${origin}/b`, ...hashes },
    ]);
    expect(new Set(claims.map(({ jti }) => jti)).size).toBe(2);
    expect(broker.seen.wits).toHaveLength(1);
    // A bearer token: what proves it stands beside it.
    expect(broker.seen.minted.map(({ wanted }) => wanted?.cnf)).toEqual([undefined]);
  });

  test("names a transaction token that the caller sends along", async () => {
    const { origin, seen } = await server();
    const { broker, step } = await openStep(origin);
    await step.fetch(origin, { headers: { "Txn-Token": "d.e.f" } });
    expect((await verified(seen[0]?.proof ?? "", broker)).claims["tth"]).toBe(hashOf("d.e.f"));
  });

  test("answers a 401 with a new token, and a new proof that names it", async () => {
    const { origin, seen } = await server(401);
    const { broker, step } = await openStep(origin);
    expect((await step.fetch(origin, { method: "POST", body: "sent" })).status).toBe(200);
    const claims = await Promise.all(seen.map(async ({ proof }) => (await verified(proof, broker)).claims));
    const tokens = seen.map(({ authorization }) => authorization.slice("Bearer ".length));
    expect(new Set(tokens).size).toBe(2);
    expect(claims.map((one) => one["ath"])).toEqual(tokens.map(hashOf));
    expect(claims[0]?.jti).not.toBe(claims[1]?.jti);
    expect(seen.map(({ body }) => body)).toEqual(["sent", "sent"]);
  });

  test("sends a stream once, with one proof", async () => {
    const { origin, seen } = await server(401);
    const { step } = await openStep(origin);
    const init = { method: "POST", body: new Blob(["sent"]).stream(), duplex: "half" } as RequestInit;
    expect((await step.fetch(origin, init)).status).toBe(401);
    expect(seen.map(({ body }) => body)).toEqual(["sent"]);
  });

  test("takes neither WIT-SVID nor proof to where a redirect or the caller leads", async () => {
    const elsewhere = await server();
    const origin = await loopback((_request, response) => {
      response.writeHead(307, { location: elsewhere.origin }).end();
    });
    const { broker, step } = await openStep(origin);
    expect(await thrownBy(step.fetch(elsewhere.origin))).toMatchObject({ reason: "NO_LOCATION" });
    expect(broker.seen.wits).toEqual([]);
    expect(await thrownBy(step.fetch(origin))).toMatchObject({ reason: "REDIRECT_REFUSED" });
    expect(elsewhere.seen).toEqual([]);
  });

  test.for(["Workload-Identity-Token", "Workload-Proof-Token"])(
    "does not mix with a %s of the caller's",
    async (name) => {
      const { origin, seen } = await server();
      const { step } = await openStep(origin);
      expect(await thrownBy(step.fetch(origin, { headers: { [name]: "a.b.c" } }))).toMatchObject({
        reason: "AUTHORIZATION_GIVEN",
      });
      expect(seen).toEqual([]);
    },
  );

  test("leaves the caller's request as it was when the WIT-SVID is refused", async () => {
    const { origin, seen } = await server();
    const script: Script = {
      witSvid: (_request, mint) => {
        if (mint === 1) throw new BrokerError("LIMIT_EXCEEDED", "too many");
      },
    };
    const { step } = await openStep(origin, { script });
    const request = new Request(origin, { method: "POST", body: "sent" });
    expect(await thrownBy(step.fetch(request))).toMatchObject({ reason: "LIMIT_EXCEEDED" });
    expect((await step.fetch(request)).status).toBe(200);
    expect(seen.map(({ body }) => body)).toEqual(["sent"]);
  });

  test("goes from a client to its steps and on to their children, each with a key of its own", async () => {
    const { origin, seen } = await server();
    const broker = await scriptedBroker();
    const grant = grantOf(origin);
    const parent = await broker.stint({ proof: "wpt" }).openStep({ runId: "r", step: "one", grant });
    const child = await parent.openStep({ step: "part", grant });
    await parent.fetch(origin);
    await child.fetch(origin);
    expect(broker.seen.wits.map(({ stepId }) => stepId)).toEqual([parent.stepId, child.stepId]);
    expect(new Set(jwksOf(broker).map(({ x }) => x)).size).toBe(2);
    for (const [index, { proof }] of seen.entries()) await verified(proof, broker, index + 1);
    expect(seen).toHaveLength(2);
  });

  test("is not what a step does that is to prove itself otherwise", async () => {
    const { origin, seen } = await server();
    const { broker, step } = await openStep(origin);
    const child = await step.openStep({ step: "part", grant: grantOf(origin), proof: "dpop" });
    await child.fetch(origin);
    expect(seen.map(({ wit, proof }) => [wit, proof])).toEqual([["undefined", "undefined"]]);
    expect(seen[0]?.authorization).toMatch(/^DPoP /);
    expect(broker.seen.wits).toEqual([]);
  });
});
