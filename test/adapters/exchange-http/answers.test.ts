import { once } from "node:events";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { awsStsTarget } from "../../../src/adapters/exchange-http/aws-sts.ts";
import { gcpFederationTarget } from "../../../src/adapters/exchange-http/gcp-federation.ts";
import { oauthTarget } from "../../../src/adapters/exchange-http/oauth.ts";
import { openBaoTarget } from "../../../src/adapters/exchange-http/openbao.ts";
import { parseSpiffeId } from "../../../src/domain/spiffe-id.ts";
import { addSeconds, type UnixSeconds } from "../../../src/domain/time.ts";
import type { ExchangeTarget } from "../../../src/ports/exchange-target.ts";
import { virtualClock } from "../../memory/virtual-clock.ts";

// What the real servers never answer, and a broken or hostile one may.

const NOW = 1_700_000_000 as UnixSeconds;
const END = addSeconds(NOW, 300);
const SECRET = "something that nobody may read";
const ORDER = {
  exchangeId: "xch_01900000-0000-7000-8000-000000000000",
  spiffeId: parseSpiffeId("spiffe://example.org/agent/a/run/r/step/s/1"),
  names: { agent: "a", run_id: "r", step: "s" },
  token: "eyJ.step.token",
  expiresAt: END,
  now: NOW,
};

let server: Server;
let url: URL;
let answers: (path: string, body: string) => { readonly status?: number; readonly body: string };
beforeAll(async () => {
  server = createServer((request: IncomingMessage, response) => {
    void text(request).then((sent) => {
      const { status = 200, body } = answers(request.url ?? "", sent);
      response.writeHead(status).end(body);
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
afterAll(() => void server.close());

function targets(): Readonly<Record<string, ExchangeTarget>> {
  const place = { url, clock: virtualClock(NOW) };
  const ofOAuth = { ...place, kind: "token-exchange", tokenUrl: url } as const;
  const account = { serviceAccount: "a@b.example", scopes: ["s"], provider: "//iam.googleapis.com/p" };
  return {
    openbao: openBaoTarget({ ...place, mount: "jwt", role: "r", token: () => "admin" }),
    oauth: oauthTarget(ofOAuth),
    revocable: oauthTarget({ ...ofOAuth, revocationUrl: url }),
    aws: awsStsTarget({ ...place, roleArn: "arn:aws:iam::123456789012:role/r" }),
    google: gcpFederationTarget({ ...place, stsUrl: url, credentialsUrl: url, ...account }),
  };
}

const auth = (own: object) =>
  JSON.stringify({ auth: { client_token: SECRET, accessor: "a", lease_duration: 60, ...own } });
const token = (own: object) => JSON.stringify({ access_token: SECRET, token_type: "Bearer", expires_in: 60, ...own });

describe("an answer that can't be used", () => {
  test.for<{ of: string; what: string; body: string; says: string; mayExist?: boolean }>([
    { of: "openbao", what: "is no JSON", body: SECRET, says: "answered without a token" },
    { of: "openbao", what: "is a list", body: "[1]", says: "answered without a token" },
    {
      of: "openbao",
      what: "has no accessor",
      body: auth({ accessor: "" }),
      says: "gives tokens that can't be revoked: the role's token_type has to be service",
    },
    {
      of: "openbao",
      what: "outlives the step",
      body: auth({ lease_duration: 3_600 }),
      says: "gives a token that outlives the step: set token_max_ttl, or let the token renew itself",
    },
    {
      of: "openbao",
      what: "has no end",
      body: auth({ lease_duration: 0 }),
      says: "gives a token that outlives the step: set token_max_ttl, or let the token renew itself",
    },
    { of: "oauth", what: "has no token", body: "{}", says: "answered without a token" },
    {
      of: "oauth",
      what: "is bound to a key",
      body: token({ token_type: "DPoP" }),
      says: "answered with a token that is no bearer token",
    },
    {
      of: "oauth",
      what: "does not say how long it lives",
      body: token({ expires_in: undefined }),
      says: "gives a token that outlives the step, and has no revocation_url",
    },
    {
      of: "oauth",
      what: "outlives the step",
      body: token({ expires_in: 301 }),
      says: "gives a token that outlives the step, and has no revocation_url",
    },
    {
      of: "revocable",
      what: "is bound to a key",
      body: token({ token_type: "mac" }),
      says: "answered with a token that is no bearer token",
    },
    { of: "aws", what: "is no XML", body: SECRET, says: "answered without a AccessKeyId" },
    {
      of: "aws",
      what: "names a key twice",
      body: "<AccessKeyId>a</AccessKeyId><AccessKeyId>b</AccessKeyId>",
      says: "answered without a AccessKeyId",
    },
    {
      of: "google",
      what: "has no federated token",
      body: "{}",
      says: "answered without a federated token",
      mayExist: false,
    },
    {
      of: "google",
      what: "has no end",
      body: token({ accessToken: SECRET }),
      says: "answered without a token that ends with the step",
    },
  ])(
    "of $of, since it $what, fails without a part of it in the message",
    async ({ of, body, says, mayExist = true }) => {
      answers = () => ({ body });
      const failed = await targets()
        [of]?.issue(ORDER)
        .catch((error: unknown) => error);
      expect(failed).toMatchObject({ name: "ExchangeFailure", kind: "refused", message: says, mayExist });
      expect(JSON.stringify({ ...(failed as object), handle: "" })).not.toContain(SECRET);
    },
  );

  test.for([
    { status: 400, kind: "refused", mayExist: false },
    { status: 403, kind: "refused", mayExist: false },
    { status: 429, kind: "unavailable", mayExist: false },
    { status: 500, kind: "unavailable", mayExist: true },
    { status: 503, kind: "unavailable", mayExist: true },
  ])("with status $status is $kind", async ({ status, kind, mayExist }) => {
    answers = () => ({ status, body: JSON.stringify({ error: SECRET }) });
    for (const of of ["openbao", "oauth", "aws"]) {
      const asked = targets()[of]?.issue(ORDER);
      await expect(asked).rejects.toMatchObject({ kind, mayExist, message: `answered ${status}` });
    }
  });

  test("after which there is a token comes with what ends it", async () => {
    answers = () => ({ body: auth({ lease_duration: 3_600 }) });
    await expect(targets()["openbao"]?.issue(ORDER)).rejects.toMatchObject({ mayExist: true, handle: "a" });
    answers = () => ({ body: token({ token_type: "mac" }) });
    await expect(targets()["revocable"]?.issue(ORDER)).rejects.toMatchObject({ mayExist: true, handle: SECRET });
  });
});

describe("an end that was not done", () => {
  const ended = { ...ORDER, others: [] };
  test.for([
    { of: "openbao", status: 403 },
    { of: "openbao", status: 500 },
    { of: "revocable", status: 400 },
    { of: "revocable", status: 503 },
  ])("of $of, by status $status, fails", async ({ of, status }) => {
    answers = () => ({ status, body: JSON.stringify({ errors: ["permission denied"] }) });
    const end = targets()[of]?.end?.({ ...ended, handle: "h" });
    await expect(end).rejects.toMatchObject({ message: `answered ${status}`, mayExist: true });
  });

  test("of a token that nobody has an answer of can't be done at an authorization server", async () => {
    await expect(targets()["revocable"]?.end?.(ended)).rejects.toMatchObject({
      message: "has not answered with what would have to be revoked",
    });
  });
});
