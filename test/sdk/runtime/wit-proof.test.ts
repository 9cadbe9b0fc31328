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
  readonly wit: string | undefined;
  readonly txn: string | undefined;
  readonly dpop: string | undefined;
  readonly body: string;
};

/** A server that answers with these statuses in turn, 200 after them, and keeps what it was sent. */
async function server(...statuses: number[]) {
  const seen: Seen[] = [];
  const origin = await loopback(async (request, response) => {
    const { headers } = request;
    const { authorization = "", dpop } = headers as Record<string, string | undefined>;
    const { "workload-identity-token": wit, "txn-token": txn } = headers as Record<string, string | undefined>;
    seen.push({ authorization, wit, txn, dpop, body: await bodyOf(request) });
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

function proofIn(authorization: string): string {
  expect(authorization).toMatch(/^WPT [\w-]+\.[\w-]+\.[\w-]+$/);
  return authorization.slice("WPT ".length);
}

/** Header and claims of a proof, once its signature holds by the key of the WIT-SVID that was minted last, or `mint`-th. */
async function verified(authorization: string, broker: Broker, mint = broker.seen.wits.length) {
  const key = await importJWK(jwksOf(broker)[mint - 1] ?? {}, "ES256");
  const { protectedHeader, payload } = await jwtVerify(proofIn(authorization), key);
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
    const authorization = wit.authorization({ url: `${AUDIENCE}?a=b#c`, txnToken: "d.e.f" });
    const { header, claims } = await verified(authorization, broker);
    expect(header).toEqual({ alg: "ES256", typ: "wpt+jwt" });
    expect(claims).toEqual({
      aud: AUDIENCE,
      exp: expect.toSatisfy((exp: number) => exp >= earliest + 30 && exp <= Date.now() / 1_000 + 30),
      jti: expect.stringMatching(/^[\w-]{22}$/),
      wth: hashOf(wit.svid()),
      tth: hashOf("d.e.f"),
    });
  });

  test("names the tokens that are there, and is never the same twice", async () => {
    const { broker, step } = await openStep(AUDIENCE);
    const wit = await step.witSvid();
    const proofs = [wit.authorization({ url: AUDIENCE }), wit.authorization({ url: AUDIENCE })];
    const [first, second] = await Promise.all(proofs.map(async (proof) => (await verified(proof, broker)).claims));
    expect(Object.keys(first ?? {}).toSorted()).toEqual(["aud", "exp", "jti", "wth"]);
    expect(first?.jti).not.toBe(second?.jti);
  });

  test("does not outlive its WIT-SVID", async () => {
    const { broker, step } = await openStep(AUDIENCE, { script: { ttl: 10 } });
    const wit = await step.witSvid();
    const { claims } = await verified(wit.authorization({ url: AUDIENCE }), broker);
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
      const { payload } = await compactVerify(proofIn(wit.authorization({ url: AUDIENCE })), key);
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

describe("step.txnToken", () => {
  const location = AUDIENCE;

  test("asks for what the step may do at one location, or less, and keeps what comes", async () => {
    const { broker, step } = await openStep(location);
    const [one, other] = await Promise.all([step.txnToken(location), step.txnToken(location)]);
    expect(one).toBe(other);
    expect(one).toMatchObject({ issuanceId: "iss_4", spiffeId: step.spiffeId, location });
    const narrower = await step.txnToken(location, { grant: grantOf(location) });
    expect(narrower.token()).not.toBe(one.token());
    expect(broker.seen.transactions).toMatchObject([
      { stepId: step.stepId, location },
      { stepId: step.stepId, location, grant: { elements: [{ identifier: "search" }] } },
    ]);
  });

  test("gives none once the step is closed, and ends the step when the broker says so first", async () => {
    const closed = await openStep(location);
    await closed.step.txnToken(location);
    await closed.step.close();
    expect(await thrownBy(closed.step.txnToken(location))).toMatchObject({ reason: "STEP_CLOSED" });

    const txnToken = () => {
      throw new BrokerError("STEP_CLOSED", "the step is REVOKED", { metadata: { state: "REVOKED" } });
    };
    const { step } = await openStep(location, { script: { txnToken } });
    expect(await thrownBy(step.txnToken(location))).toMatchObject({ metadata: { state: "REVOKED" } });
    expect(step.signal.aborted).toBe(true);
  });
});

describe("step.fetch with Workload Proof Tokens", () => {
  test("sends WIT-SVID, transaction token and proof, and no bearer token; a proof of its own with every request", async () => {
    const { origin, seen } = await server();
    const { broker, step } = await openStep(origin);
    await step.fetch(`${origin}/a?b=c`, { method: "PUT", body: "x" });
    await step.fetch(`${origin}/b`);
    const [wit, txn] = [(await step.witSvid()).svid(), (await step.txnToken(origin)).token()];
    expect(seen.map((one) => [one.wit, one.txn, one.dpop])).toEqual([
      [wit, txn, undefined],
      [wit, txn, undefined],
    ]);
    const claims = await Promise.all(
      seen.map(async ({ authorization }) => (await verified(authorization, broker)).claims),
    );
    const hashes = { wth: hashOf(wit), tth: hashOf(txn) };
    expect(claims).toMatchObject([
      { aud: `${origin}/a`, ...hashes },
      { aud: `${origin}/b`, ...hashes },
    ]);
    for (const one of claims) expect(one).not.toHaveProperty("ath");
    expect(new Set(claims.map(({ jti }) => jti)).size).toBe(2);
    expect([broker.seen.wits.length, broker.seen.transactions.length]).toEqual([1, 1]);
    expect(broker.seen.minted).toEqual([]);
  });

  test("answers a 401 with new tokens, and a new proof that names them", async () => {
    const { origin, seen } = await server(401);
    const { broker, step } = await openStep(origin);
    expect((await step.fetch(origin, { method: "POST", body: "sent" })).status).toBe(200);
    const claims = await Promise.all(
      seen.map(async ({ authorization }, index) => (await verified(authorization, broker, index + 1)).claims),
    );
    expect(new Set(seen.map(({ wit }) => wit)).size).toBe(2);
    expect(new Set(seen.map(({ txn }) => txn)).size).toBe(2);
    expect(claims.map(({ wth, tth }) => [wth, tth])).toEqual(
      seen.map(({ wit = "", txn = "" }) => [hashOf(wit), hashOf(txn)]),
    );
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

  test("takes nothing to where a redirect or the caller leads", async () => {
    const elsewhere = await server();
    const origin = await loopback((_request, response) => {
      response.writeHead(307, { location: elsewhere.origin }).end();
    });
    const { broker, step } = await openStep(origin);
    expect(await thrownBy(step.fetch(elsewhere.origin))).toMatchObject({ reason: "NO_LOCATION" });
    expect([...broker.seen.wits, ...broker.seen.transactions]).toEqual([]);
    expect(await thrownBy(step.fetch(origin))).toMatchObject({ reason: "REDIRECT_REFUSED" });
    expect(elsewhere.seen).toEqual([]);
  });

  test.for(["Authorization", "Workload-Identity-Token", "Txn-Token"])(
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

  test.for<Script>([{ witSvid: refuseFirst }, { txnToken: refuseFirst }])(
    "leaves the caller's request as it was when a token is refused",
    async (script) => {
      const { origin, seen } = await server();
      const { step } = await openStep(origin, { script });
      const request = new Request(origin, { method: "POST", body: "sent" });
      expect(await thrownBy(step.fetch(request))).toMatchObject({ reason: "LIMIT_EXCEEDED" });
      expect((await step.fetch(request)).status).toBe(200);
      expect(seen.map(({ body }) => body)).toEqual(["sent"]);
    },
  );

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
    for (const [index, { authorization }] of seen.entries()) await verified(authorization, broker, index + 1);
    expect(seen).toHaveLength(2);
  });

  test("is not what a step does that is to prove itself otherwise", async () => {
    const { origin, seen } = await server();
    const { broker, step } = await openStep(origin);
    const child = await step.openStep({ step: "part", grant: grantOf(origin), proof: "dpop" });
    await child.fetch(origin);
    expect(seen.map(({ wit, txn }) => [wit, txn])).toEqual([[undefined, undefined]]);
    expect(seen[0]?.authorization).toMatch(/^DPoP /);
    expect([...broker.seen.wits, ...broker.seen.transactions]).toEqual([]);
  });
});

function refuseFirst(_request: unknown, mint: number): void {
  if (mint === 1) throw new BrokerError("LIMIT_EXCEEDED", "too many");
}
