import { request as plainRequest } from "node:http";
import { Agent, request } from "node:https";
import { describe, expect, onTestFinished, test } from "vitest";
import type { Confirmation } from "../../../src/domain/confirmation.ts";
import { parseSpiffeId } from "../../../src/domain/spiffe-id.ts";
import { addSeconds, secondsOf } from "../../../src/domain/time.ts";
import { FILES, GRANT, MCP } from "../../contract/ledger-world.ts";
import { ask, sendRaw } from "./http-peers.ts";
import { type Client, type IntrospectionScene, ISSUER, introspectionScene, post } from "./introspection-scene.ts";

const INACTIVE = '{"active":false}';

/** A verifier with its certificate, and an open step. */
async function setting() {
  const scene = await introspectionScene();
  const verifier = await scene.verifier();
  const client = await scene.clientOf(verifier);
  const agent = await scene.world.agent({ audiences: ["https://api.example.org"], allowMultipleAudiences: true });
  const step = await scene.world.open(agent);
  return { scene, verifier, client, agent, step };
}

test("a verifier is told what a token for it says, and that it holds", async () => {
  const { scene, client, step } = await setting();
  const answer = await post(scene, client, await scene.mint(step));
  const now = secondsOf(scene.clock.now());
  expect(answer).toMatchObject({
    status: 200,
    headers: { "content-type": "application/json", "cache-control": "no-store" },
  });
  expect(JSON.parse(answer.body)).toEqual({
    active: true,
    scope: "mcp:tool:search",
    client_id: `spiffe://example.org/agent/${step.agent}`,
    sub: step.spiffeId,
    aud: [MCP],
    iss: ISSUER,
    exp: now + 120,
    iat: now - 5,
    nbf: now - 5,
    jti: expect.stringMatching(/^[\w-]{22}$/),
    txn: step.runId,
    authorization_details: GRANT,
    run_id: step.runId,
    step: step.step,
    attempt: 1,
    step_id: step.stepId,
    token_type: "Bearer",
  });
  expect(scene.failures).toEqual([]);
});

test.for<{ readonly how: string; readonly confirmation: Confirmation; readonly type: string }>([
  { how: "a certificate", confirmation: { "x5t#S256": "A".repeat(43) }, type: "Bearer" },
  { how: "a DPoP key", confirmation: { jkt: "A".repeat(43) }, type: "DPoP" },
])("of a token that is bound to $how it is told to what, to see for itself", async ({ confirmation, type }) => {
  const { scene, client, step } = await setting();
  const { body } = await post(scene, client, await scene.mint(step, { confirmation }));
  expect(JSON.parse(body)).toMatchObject({ active: true, cnf: confirmation, token_type: type });
});

test("a delegation token is not active for anybody, though a verifier were to answer for the broker itself", async () => {
  const { scene, verifier, step } = await setting();
  const broker = "spiffe://example.org/stint/server";
  const { content } = verifier;
  if (content.kind !== "verifier") throw new TypeError("not a verifier");
  scene.entries.put({ ...verifier, content: { ...content, audiences: [MCP, broker] } });
  const client = await scene.clientOf(verifier);
  const delegation = { runtimeEntryId: "entry_r", mayAct: parseSpiffeId("spiffe://example.org/runtime/r"), usesMax: 1 };
  for (const audience of [broker, MCP]) {
    const token = await scene.mint(step, { audiences: [audience], delegation });
    expect((await post(scene, client, token)).body).toBe(INACTIVE);
  }
  expect((await post(scene, client, await scene.mint(step, { audiences: [MCP] }))).body).toContain('"active":true');
});

test("a token for several audiences, one of them the verifier's, says who and grants nothing", async () => {
  const { scene, client, step } = await setting();
  const token = await scene.mint(step, { audiences: ["https://api.example.org", MCP] });
  const told = JSON.parse((await post(scene, client, token)).body) as object;
  expect(told).toMatchObject({ active: true, sub: step.spiffeId });
  expect(told).not.toHaveProperty("scope");
  expect(told).not.toHaveProperty("authorization_details");
});

type Told = Awaited<ReturnType<typeof setting>>;

describe("exactly that it is not active, and nothing more, is said of a token", () => {
  test.for<{ readonly what: string; readonly make: (given: Told) => Promise<string> }>([
    {
      what: "whose step was closed a moment ago",
      async make({ scene, step }) {
        const token = await scene.mint(step);
        await scene.world.close(step);
        return token;
      },
    },
    {
      what: "whose step was superseded",
      async make({ scene, step }) {
        const token = await scene.mint(step);
        await scene.world.close(step, { state: "SUPERSEDED" });
        return token;
      },
    },
    {
      what: "that was taken back, its step staying open",
      async make({ scene, step }) {
        const jti = "AYh5t0Zk3Ez8yB8n2mRkQw";
        const token = await scene.mint(step, { jti });
        await scene.takeBack({ jti });
        return token;
      },
    },
    {
      what: "that has expired, without leeway",
      async make({ scene, step }) {
        const token = await scene.mint(step);
        scene.clock.advance(120_000);
        return token;
      },
    },
    {
      what: "that is not valid yet",
      make({ scene, step }) {
        const later = addSeconds(secondsOf(scene.clock.now()), 60);
        return scene.mint(step, { notBefore: later });
      },
    },
    {
      what: "for an audience that is not the verifier's",
      make: ({ scene, step }) => scene.mint(step, { audiences: [FILES] }),
    },
    {
      what: "of another issuer",
      async make() {
        const other = await setting();
        return other.scene.mint(other.step);
      },
    },
    {
      what: "that no row of the ledger names, though the broker's own key signed it",
      make: ({ scene, step }) => scene.mint(step, { unrecorded: true }),
    },
    {
      what: "that bears the number of another one",
      async make({ scene, agent, step }) {
        const jti = "AYh5t0Zk3Ez8yB8n2mRkQw";
        await scene.mint(step, { jti });
        return scene.mint(await scene.world.open(agent), { jti, unrecorded: true });
      },
    },
    {
      what: "that never left",
      async make({ scene, step }) {
        const jti = "AYh5t0Zk3Ez8yB8n2mRkQw";
        const token = await scene.mint(step, { jti });
        const { issuanceId = "" } = (await scene.store.credentials.issuance({ jti })) ?? {};
        await scene.world.ledger.perform({ act: "mark-undelivered", issuanceId, now: scene.clock.now() });
        return token;
      },
    },
    {
      what: "whose signature does not hold",
      async make({ scene, step }) {
        const [head, claims, signature = ""] = (await scene.mint(step)).split(".");
        return [head, claims, `${signature.startsWith("A") ? "B" : "A"}${signature.slice(1)}`].join(".");
      },
    },
    {
      what: "signed by the key of another family",
      async make({ scene, step }) {
        const token = await scene.mint(step);
        const [, claims] = token.split(".");
        const header = Buffer.from('{"alg":"none","typ":"JWT"}').toString("base64url");
        return `${header}.${claims}.`;
      },
    },
    { what: "that is none", make: async () => "hello" },
    { what: "of the most bytes that a form takes", make: async () => "a".repeat(9_000) },
  ])("$what", async ({ make }) => {
    const given = await setting();
    const token = await make(given);
    const answer = await post(given.scene, given.client, token);
    expect(answer).toMatchObject({ status: 200, body: INACTIVE, headers: { "cache-control": "no-store" } });
  });
});

test("a close that has returned is in the very next answer", async () => {
  const { scene, client, agent } = await setting();
  for (let count = 0; count < 20; count += 1) {
    const step = await scene.world.open(agent);
    const token = await scene.mint(step);
    expect(JSON.parse((await post(scene, client, token)).body)).toMatchObject({ active: true });
    await scene.world.close(step);
    expect((await post(scene, client, token)).body).toBe(INACTIVE);
  }
});

describe("who asks", () => {
  test.for<{
    readonly who: string;
    readonly make: (given: Told) => Promise<Client | undefined>;
    readonly status: 401 | 403;
  }>([
    { who: "nobody that shows a certificate", make: async () => undefined, status: 401 },
    {
      who: "a verifier whose certificate was taken back",
      async make({ scene, client }) {
        await scene.takeBack(client);
        return client;
      },
      status: 401,
    },
    {
      who: "a verifier whose certificate is over",
      async make({ scene, client }) {
        scene.clock.advance(300_000);
        return client;
      },
      status: 401,
    },
    {
      who: "a verifier whose entry is disabled",
      async make({ scene, verifier, client }) {
        scene.entries.put({ ...verifier, disabled: true });
        return client;
      },
      status: 401,
    },
    {
      who: "a verifier whose entry is gone",
      async make({ scene, verifier, client }) {
        scene.entries.remove(verifier.entryId);
        return client;
      },
      status: 401,
    },
    {
      who: "one with a certificate that no row of the ledger names",
      make: ({ scene, verifier }) => scene.clientOf(verifier, { unrecorded: true }),
      status: 401,
    },
    {
      who: "one with a certificate of another CA of the same name",
      async make() {
        const other = await setting();
        return other.client;
      },
      status: 401,
    },
    {
      who: "one with a certificate of its own making",
      async make({ scene, verifier }) {
        const by = await scene.signer.create("x509-svid", scene.validity);
        return scene.clientOf(verifier, { by });
      },
      status: 401,
    },
    {
      who: "a step, with an X.509-SVID of its own",
      async make({ scene, verifier, step }) {
        return scene.clientOf(verifier, { spiffeId: step.spiffeId, step });
      },
      status: 401,
    },
    {
      who: "a runtime",
      make: async ({ scene }) => scene.clientOf(await scene.runtime()),
      status: 403,
    },
  ])("$who: $status, whatever the token", async ({ make, status }) => {
    const given = await setting();
    const token = await given.scene.mint(given.step);
    const answer = await post(given.scene, await make(given), token);
    expect(answer).toMatchObject({ status, headers: { "cache-control": "no-store" } });
    expect(JSON.parse(answer.body)).toEqual({
      error: status === 401 ? "invalid_client" : "unauthorized_client",
      error_description: expect.any(String),
    });
    expect(given.scene.failures).toEqual([]);
  });

  test("is looked at with each request: a certificate that is taken back ends a connection that stands", async () => {
    const { scene, client, step } = await setting();
    const agent = new Agent({ ...client, ca: scene.serverCa, keepAlive: true, maxSockets: 1 });
    onTestFinished(() => agent.destroy());
    const token = await scene.mint(step);
    const statusOf = (): Promise<{ readonly status: number; readonly isReused: boolean }> =>
      new Promise((resolve, reject) => {
        const sent = request(
          `${scene.url}/introspect`,
          { agent, method: "POST", headers: { "content-type": "application/x-www-form-urlencoded" } },
          (response) => {
            response.resume();
            response.on("end", () => resolve({ status: response.statusCode ?? 0, isReused: sent.reusedSocket }));
          },
        );
        sent.on("error", reject);
        sent.end(`token=${token}`);
      });
    expect(await statusOf()).toEqual({ status: 200, isReused: false });
    expect(await statusOf()).toEqual({ status: 200, isReused: true });
    await scene.takeBack(client);
    expect(await statusOf()).toEqual({ status: 401, isReused: true });
  });

  test("over TLS 1.2 is nobody", async () => {
    const { scene, client, step } = await setting();
    const answer = await post(scene, client, await scene.mint(step), { maxVersion: "TLSv1.2" });
    expect(answer).toMatchObject({ status: 401, body: expect.stringContaining("expected TLS 1.3") });
  });

  test("without TLS nobody can be: there it is not found, and the reason is said", async () => {
    const { scene, step } = await setting();
    const token = await scene.mint(step);
    const answer = await new Promise<{ readonly status: number; readonly body: string }>((resolve) => {
      const sent = plainRequest(
        `${scene.plainUrl}/introspect`,
        { method: "POST", headers: { "content-type": "application/x-www-form-urlencoded" } },
        (response) => {
          let body = "";
          response.on("data", (chunk) => {
            body += String(chunk);
          });
          response.on("end", () => resolve({ status: response.statusCode ?? 0, body }));
        },
      );
      sent.end(`token=${token}`);
    });
    expect(answer).toEqual({ status: 404, body: "introspection is asked over TLS 1.3 with a client certificate\n" });
  });
});

describe("the form", () => {
  test.for<{ readonly what: string; readonly own: Parameters<typeof post>[3]; readonly status: number }>([
    { what: "by GET", own: { method: "GET" }, status: 405 },
    { what: "by HEAD", own: { method: "HEAD" }, status: 405 },
    { what: "by PUT", own: { method: "PUT" }, status: 405 },
    { what: "with the token in the query", own: { path: "/introspect?token=TOKEN" }, status: 400 },
    { what: "with any query", own: { path: "/introspect?x" }, status: 400 },
    { what: "as JSON", own: { headers: { "content-type": "application/json" } }, status: 415 },
    { what: "of no type", own: { headers: { "content-type": "" } }, status: 415 },
    { what: "compressed", own: { headers: { "content-encoding": "gzip" } }, status: 415 },
    { what: "of 9,217 bytes", own: { body: `token=${"a".repeat(9_211)}` }, status: 413 },
    { what: "without a token", own: { body: "token_type_hint=access_token" }, status: 400 },
    { what: "with an empty token", own: { body: "token=" }, status: 400 },
    { what: "with two tokens", own: { body: "token=a&token=b" }, status: 400 },
    { what: "to another path", own: { path: "/introspect/" }, status: 405 },
    { what: "to that path in another spelling", own: { path: "/%69ntrospect" }, status: 405 },
    { what: "to what is for reading", own: { path: "/jwks.json" }, status: 405 },
  ])("$what: $status, and nothing of the token in the answer", async ({ own = {}, status }) => {
    const { scene, client, step } = await setting();
    const token = await scene.mint(step);
    const path = own.path?.replace("TOKEN", token);
    const answer = await post(scene, client, token, { ...own, ...(path !== undefined && { path }) });
    expect(answer.status).toBe(status);
    expect(answer.headers["cache-control"]).toBe("no-store");
    expect(JSON.stringify(answer)).not.toContain(token.split(".")[1]);
  });

  test.for(["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])("%s is told that POST is the method", async (method) => {
    const { scene, client } = await setting();
    expect((await post(scene, client, "", { method, body: "" })).headers["allow"]).toBe("POST");
  });

  test("in chunks, whose length nobody knows, is refused before it is read", async () => {
    const { scene } = await setting();
    const head = `POST /introspect HTTP/1.1\r\nHost: localhost:${new URL(scene.plainUrl).port}\r\n`;
    const type = "Content-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n\r\n";
    const answer = await sendRaw(Number(new URL(scene.plainUrl).port), `${head}${type}5\r\ntoken\r\n`);
    expect(answer).toMatch(/^HTTP\/1\.1 411 /);
    expect(answer).toMatch(/^connection: close\r$/im);
  });

  test("may carry a hint and parameters that nobody knows, and name its charset", async () => {
    const { scene, client, step } = await setting();
    const body = new URLSearchParams({
      token_type_hint: "refresh_token",
      token: await scene.mint(step),
      resource: "x",
    });
    const headers = { "content-type": 'application/x-www-form-urlencoded; charset="UTF-8"' };
    const answer = await post(scene, client, "", { body: body.toString(), headers });
    expect(JSON.parse(answer.body)).toMatchObject({ active: true });
  });
});

test("while the ledger can't be relied on the answer is that it can't be told, and not that a token holds", async () => {
  const { scene, client, step } = await setting();
  const token = await scene.mint(step);
  scene.doubt(true);
  expect(await post(scene, client, token)).toMatchObject({ status: 503, headers: { "cache-control": "no-store" } });
  scene.doubt(false);
  expect((await post(scene, client, token)).status).toBe(200);
});

test("everything else of the listener is open without a certificate, and with any", async () => {
  const { scene, client }: { scene: IntrospectionScene; client: Client } = await setting();
  expect((await ask(`${scene.url}/nothing`, { ca: scene.serverCa })).status).toBe(404);
  expect(
    (await post(scene, client, "", { path: "/nothing", method: "GET", headers: { "content-length": "0" } })).status,
  ).toBe(404);
});
