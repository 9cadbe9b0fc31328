import { Hono } from "hono";
import { expect, test } from "vitest";
import { type CrlRouteFacts, crlRoutes } from "../../../src/api/http/crl-routes.ts";
import { belowIssuer } from "../../../src/api/http/document.ts";
import { ask, started } from "./http-peers.ts";

const [FIRST, SECOND] = ["a".repeat(40), "b".repeat(40)] as const;

const crl = (authorityId: string, text: string): ReturnType<CrlRouteFacts["crls"]>[number] => ({
  authorityId,
  der: Buffer.from(text),
});

async function served(own: Partial<CrlRouteFacts> = {}, issuer = "https://stint.example.org") {
  const crls = [crl(FIRST, "of the first"), crl(SECOND, "of the second")];
  const facts: CrlRouteFacts = { crls: () => crls, activeAuthorityId: () => SECOND, ...own };
  const { url } = await started(new Hono().route("/", belowIssuer(issuer, crlRoutes(facts))));
  return { url, crls };
}

test("/crl.der is that of the authority in force, and each is there by its authority's id", async () => {
  const { url } = await served();
  for (const [path, body] of [
    ["/crl.der", "of the second"],
    [`/crl/${FIRST}.der`, "of the first"],
    [`/crl/${SECOND}.der`, "of the second"],
  ]) {
    const answer = await ask(`${url}${path}`);
    expect(answer).toMatchObject({
      status: 200,
      body,
      headers: { "content-type": "application/pkix-crl", "cache-control": "public, max-age=10" },
    });
  }
});

test("a CRL is sent again only when there is another one, and HEAD says what GET would", async () => {
  const { url, crls } = await served();
  const first = await ask(`${url}/crl.der`);
  const etag = String(first.headers.etag);
  expect(await ask(`${url}/crl.der`, { headers: { "if-none-match": etag } })).toMatchObject({
    status: 304,
    body: "",
    headers: { etag, "cache-control": "public, max-age=10" },
  });
  expect(await ask(`${url}/crl.der`, { method: "HEAD" })).toMatchObject({ status: 200, body: "", headers: { etag } });
  crls.splice(1, 1, crl(SECOND, "of the second, after a revocation"));
  const changed = await ask(`${url}/crl.der`, { headers: { "if-none-match": etag } });
  expect(changed).toMatchObject({ status: 200, body: "of the second, after a revocation" });
  expect(changed.headers.etag).not.toBe(etag);
});

test.for([
  { what: "while none is in force", own: { crls: () => [] } },
  { what: "while no authority signs", own: { activeAuthorityId: () => undefined } },
])("$what /crl.der is 503, which no cache keeps", async ({ own }) => {
  const { url } = await served(own);
  expect(await ask(`${url}/crl.der`)).toMatchObject({ status: 503, headers: { "cache-control": "no-store" } });
});

test.for([
  `/crl/${"c".repeat(40)}.der`,
  `/crl/${FIRST}`,
  `/crl/${FIRST.toUpperCase()}.der`,
  "/crl/",
  "/crl/..%2fcrl.der",
])("%s is not found", async (path) => {
  const { url } = await served();
  expect(await ask(`${url}${path}`)).toMatchObject({ status: 404, headers: { "cache-control": "no-store" } });
});

test("where the issuer has a path it is below it too", async () => {
  const { url } = await served({}, "https://example.org/stint");
  for (const path of ["/crl.der", "/stint/crl.der", `/stint/crl/${FIRST}.der`]) {
    expect((await ask(`${url}${path}`)).status).toBe(200);
  }
});
