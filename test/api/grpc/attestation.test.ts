import { X509Certificate } from "node:crypto";
import { status } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { parseEntryContent } from "../../../src/domain/entry-content.ts";
import { selector } from "../../../src/domain/selector.ts";
import { parseSegment } from "../../../src/domain/spiffe-id.ts";
import { certificateRequestOf, generateKey } from "../../../src/sdk/runtime/certificate-request.ts";
import { OPERATOR } from "../../simulation/broker.ts";
import { attestationScene, byJoinToken } from "./attestation-scene.ts";

const RUNTIME = {
  kind: "runtime",
  name: "worker",
  selectors: ["join_token:name:worker"],
  agents: ["researcher"],
} as const;
const VERIFIER = {
  kind: "verifier",
  name: "mcp",
  selectors: ["join_token:name:worker"],
  audiences: ["https://mcp.example.org"],
} as const;
const NOT_ACCEPTED = {
  code: status.PERMISSION_DENIED,
  reason: "NO_IDENTITY",
  message: "the evidence is not accepted",
};

test("a join token gives the SVID of the entry that has its name, once, and the second time is refused and recorded", async () => {
  const scene = await attestationScene();
  const entry = await scene.entry(RUNTIME);
  const token = await scene.joinToken();
  const svid = await scene.attest(byJoinToken(token));
  expect(svid.spiffeId).toBe("spiffe://example.org/runtime/worker");
  expect(new X509Certificate(svid.x509Svid[0] ?? "").subjectAltName).toBe("URI:spiffe://example.org/runtime/worker");
  const [row] = await scene.store.history.issuances({ limit: 1, now: scene.clock.now() });
  expect(row).toMatchObject({
    issuanceId: svid.issuanceId,
    subject: { kind: "infrastructure", entryId: entry.entryId },
  });

  await expect(scene.attest(byJoinToken(token))).rejects.toMatchObject(NOT_ACCEPTED);
  expect(await scene.denied()).toEqual(["attest NO_IDENTITY"]);
  expect(scene.failures).toEqual([]);
});

test("a join token is spent before the SVID is recorded", async () => {
  const scene = await attestationScene();
  await scene.entry(RUNTIME);
  await scene.attest(byJoinToken(await scene.joinToken()));
  expect((await scene.eventTypes()).slice(0, 2)).toEqual(["issuance.recorded", "join_token.spent"]);
});

test("of many who use one join token at one time one is issued an SVID", async () => {
  const scene = await attestationScene();
  await scene.entry(RUNTIME);
  const token = await scene.joinToken();
  const tried = await Promise.allSettled(Array.from({ length: 6 }, () => scene.attest(byJoinToken(token))));
  expect(tried.filter(({ status: outcome }) => outcome === "fulfilled")).toHaveLength(1);
  const issued = (await scene.eventTypes()).filter((type) => type === "issuance.recorded");
  // The broker's own, and one.
  expect(issued).toHaveLength(2);
});

test.for([
  { what: "of a name that was never given out", token: `stint-join-worker-${"A".repeat(43)}` },
  { what: "in no form of one", token: "eyJhbGciOiJFUzI1NiJ9.e30.c2ln" },
  { what: "empty", token: "" },
  { what: "of a name without an entry", token: `stint-join-nobody-${"A".repeat(43)}` },
])("a join token $what is refused in the same words as any, and recorded", async ({ token }) => {
  const scene = await attestationScene();
  await scene.entry(RUNTIME);
  await expect(scene.attest(byJoinToken(token))).rejects.toMatchObject(NOT_ACCEPTED);
  expect(await scene.denied()).toEqual(["attest NO_IDENTITY"]);
});

test("a join token under another name than its own is none", async () => {
  const scene = await attestationScene();
  await scene.entry(RUNTIME);
  await scene.entry({ ...RUNTIME, name: "other", selectors: ["join_token:name:other"] });
  const token = await scene.joinToken("worker");
  const renamed = token.replace("stint-join-worker-", "stint-join-other-");
  await expect(scene.attest(byJoinToken(renamed))).rejects.toMatchObject(NOT_ACCEPTED);
  expect((await scene.attest(byJoinToken(token))).spiffeId).toBe("spiffe://example.org/runtime/worker");
});

test("a join token is good until its time is over", async () => {
  const scene = await attestationScene();
  await scene.entry(RUNTIME);
  const early = await scene.joinToken("worker", 30);
  const late = await scene.joinToken("worker", 30);
  scene.clock.advance(29_000);
  await scene.attest(byJoinToken(early));
  scene.clock.advance(1_000);
  await expect(scene.attest(byJoinToken(late))).rejects.toMatchObject(NOT_ACCEPTED);
});

test("a join token that was taken back is none", async () => {
  const scene = await attestationScene();
  await scene.entry(RUNTIME);
  const token = await scene.joinToken();
  const name = parseSegment("worker", "name");
  await scene.store.ledger.perform({ act: "revoke-join-tokens", name, by: OPERATOR, now: scene.clock.now() });
  await expect(scene.attest(byJoinToken(token))).rejects.toMatchObject(NOT_ACCEPTED);
});

test("what is refused for another reason than the join token leaves it unspent", async () => {
  const scene = await attestationScene();
  const token = await scene.joinToken();
  const evidence = byJoinToken(token);
  await expect(scene.attest(evidence), "no entry").rejects.toMatchObject(NOT_ACCEPTED);

  const entry = await scene.entry(RUNTIME);
  const csr = certificateRequestOf(await generateKey());
  await expect(scene.attest({ ...evidence, csr: csr.subarray(1) }), "no CSR").rejects.toMatchObject({
    code: status.INVALID_ARGUMENT,
    reason: "CSR_INVALID",
  });
  const named = scene.attest({ ...evidence, entry: "runtime/other" });
  await expect(named, "an entry that it does not match").rejects.toMatchObject(NOT_ACCEPTED);
  await scene.broker.registry.disable(entry.entryId, OPERATOR);
  await expect(scene.attest(evidence), "a disabled entry").rejects.toMatchObject(NOT_ACCEPTED);
  await scene.broker.registry.enable(entry.entryId, OPERATOR);
  scene.broker.suspensions.suspend("clock", "the clock jumped");
  await expect(scene.attest(evidence), "suspended").rejects.toMatchObject({ reason: "NOT_SERVING" });
  scene.broker.suspensions.lift("clock");

  expect((await scene.attest(evidence)).spiffeId).toBe("spiffe://example.org/runtime/worker");
});

test("an agent's entry is nobody here, whatever its selectors", async () => {
  const scene = await attestationScene();
  const ceiling = [
    { type: "mcp_tool", locations: ["*"], identifier: "*", actions: ["read"], datatypes: ["internal"] },
  ] as const;
  const agent = parseEntryContent({ kind: "agent", name: "researcher", selectors: ["unix:uid:1"], ceiling });
  // Such selectors are refused of an agent; the endpoint does not rely on it.
  const selectors = [selector("join_token:name", "worker")];
  await scene.broker.registry.create({ ...agent, selectors }, "api", OPERATOR);
  const token = await scene.joinToken();
  await expect(scene.attest(byJoinToken(token))).rejects.toMatchObject(NOT_ACCEPTED);
  await expect(scene.attest({ ...byJoinToken(token), entry: "agent/researcher" })).rejects.toMatchObject(NOT_ACCEPTED);
  // Nor is it another that the evidence matches, among which one would have to be named.
  await scene.entry(RUNTIME);
  expect((await scene.attest(byJoinToken(token))).spiffeId).toBe("spiffe://example.org/runtime/worker");
});

test("where a join token matches several entries it has to name one, and is told so by the log alone", async () => {
  const scene = await attestationScene();
  await scene.entry(RUNTIME);
  await scene.entry(VERIFIER);
  const token = await scene.joinToken();
  await expect(scene.attest(byJoinToken(token))).rejects.toMatchObject(NOT_ACCEPTED);
  expect(scene.lines.at(-1)).toMatchObject({ detail: "several entries match the join token, and none was named" });
  const { spiffeId } = await scene.attest({ ...byJoinToken(token), entry: "verifier/mcp" });
  expect(spiffeId).toBe("spiffe://example.org/verifier/mcp");
});

test("the log says by what somebody was attested and as which entry, and never the evidence", async () => {
  const scene = await attestationScene();
  await scene.entry(RUNTIME);
  const token = await scene.joinToken();
  const { issuanceId } = await scene.attest(byJoinToken(token));
  await expect(scene.attest(byJoinToken(token))).rejects.toMatchObject(NOT_ACCEPTED);
  const ids = { attestor: "join_token" };
  expect(scene.lines).toMatchObject([
    { method: "Attestation.Attest", outcome: "OK", caller: ["runtime/worker"], ids: { ...ids, issuanceId } },
    {
      outcome: "NO_IDENTITY",
      caller: [],
      ids,
      detail: "the join token is unknown, spent, revoked or expired",
    },
  ]);
  expect(JSON.stringify(scene.lines)).not.toContain(token.slice(-43));
});

test("where join tokens are no evidence none is accepted, nor spent", async () => {
  const scene = await attestationScene({ takesJoinTokens: false });
  await scene.entry(RUNTIME);
  await expect(scene.attest(byJoinToken(await scene.joinToken()))).rejects.toMatchObject(NOT_ACCEPTED);
  expect(scene.lines.at(-1)).toMatchObject({ detail: "join tokens are not evidence here" });
  expect(await scene.eventTypes()).not.toContain("join_token.spent");
});

test("evidence of a kind that is not configured is not accepted", async () => {
  const scene = await attestationScene();
  await expect(scene.attest({ evidence: { case: "oidcToken", value: "e30.e30.e30" } })).rejects.toMatchObject(
    NOT_ACCEPTED,
  );
  expect(scene.lines.at(-1)).toMatchObject({ detail: "no oidc attestor is configured" });
});

test.for([
  { what: "an answer first", message: { case: "answer", value: new Uint8Array(1) }, field: "message" },
  { what: "nothing", message: { case: undefined }, field: "message" },
] as const)("$what is no claim", async ({ message, field }) => {
  const scene = await attestationScene();
  const call = scene.call();
  call.send({ message });
  await expect(call.responses.next()).rejects.toMatchObject({ reason: "INVALID_FIELD", metadata: { field } });
  expect(await scene.denied()).toEqual([]);
});

test("a claim without evidence names the field", async () => {
  const scene = await attestationScene();
  await expect(scene.attest({})).rejects.toMatchObject({ reason: "INVALID_FIELD", metadata: { field: "evidence" } });
});

test("a client that ends without a word is told what was expected", async () => {
  const scene = await attestationScene();
  const call = scene.call();
  call.end();
  await expect(call.responses.next()).rejects.toMatchObject({
    reason: "INVALID_FIELD",
    metadata: { field: "message" },
  });
});

test("a claim above the size of a request is refused as such", async () => {
  const scene = await attestationScene();
  const csr = new Uint8Array(70_000);
  await expect(scene.attest({ ...byJoinToken("x"), csr })).rejects.toMatchObject({ reason: "LIMIT_EXCEEDED" });
  await expect(scene.attest({ ...byJoinToken("x"), csr: new Uint8Array(2 ** 20) })).rejects.toMatchObject({
    code: status.RESOURCE_EXHAUSTED,
  });
});
