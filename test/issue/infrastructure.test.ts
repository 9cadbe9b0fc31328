import { generateKeyPairSync, X509Certificate } from "node:crypto";
import { expect, onTestFinished, test } from "vitest";
import { systemRandomness } from "../../src/adapters/system/system-randomness.ts";
import { attest } from "../../src/attest/attest.ts";
import { parseEntryContent } from "../../src/domain/entry-content.ts";
import { isDenial } from "../../src/domain/errors.ts";
import type { Delivery } from "../../src/domain/stages.ts";
import type { UnixSeconds } from "../../src/domain/time.ts";
import { issueInfrastructureSvid } from "../../src/issue/issue-infrastructure-svid.ts";
import { certificateRequestOf, generateKey } from "../../src/sdk/runtime/certificate-request.ts";
import { openMemoryLedger } from "../memory/memory-ledger.ts";
import { memorySigner } from "../memory/memory-signer.ts";
import { virtualClock } from "../memory/virtual-clock.ts";
import { OPERATOR, startBroker, TRUST_DOMAIN } from "../simulation/broker.ts";
import { createKernel } from "../simulation/kernel.ts";

const START = 1_795_341_600 as UnixSeconds;
const OWN = { runtime: 11, verifier: 21, agent: 31 } as const;

/** A key that the broker made, SubjectPublicKeyInfo. */
const publicKey = () =>
  new Uint8Array(generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey.export({ type: "spki", format: "der" }));

async function setUp() {
  const clock = virtualClock(START);
  const random = systemRandomness();
  const kernel = createKernel();
  const store = await openMemoryLedger({ clock, randomness: random });
  const broker = await startBroker({
    store,
    signer: memorySigner({ trustDomain: TRUST_DOMAIN, randomness: random }),
    kernel,
    clock,
    random,
    failed: (error) => expect.unreachable(String(error)),
  });
  onTestFinished(async () => {
    broker.stop();
    await store.close();
  });
  const ceiling = [
    { type: "mcp_tool", locations: ["*"], identifier: "*", actions: ["read"], datatypes: ["internal"] },
  ] as const;
  const entryOf = async (content: Parameters<typeof parseEntryContent>[0]) =>
    (await broker.registry.create(parseEntryContent(content), "api", OPERATOR)).entry;
  const runtime = await entryOf({ kind: "runtime", name: "flow", selectors: ["unix:uid:11"], agents: ["worker"] });
  const verifier = await entryOf({
    kind: "verifier",
    name: "mcp",
    selectors: ["unix:uid:21"],
    audiences: ["https://mcp.example.org"],
  });
  const agent = await entryOf({ kind: "agent", name: "worker", selectors: ["unix:uid:31"], ceiling });
  return { clock, kernel, store, broker, runtime, verifier, agent };
}

function certificateOf(answer: Delivery | { readonly kind: "denial" }): X509Certificate {
  if (isDenial(answer)) throw new Error("refused");
  return new X509Certificate((answer as Delivery).svid);
}

test("a runtime and a verifier are issued an X.509-SVID of their own, five minutes long and recorded under their entry", async () => {
  const { clock, kernel, store, broker, runtime, verifier } = await setUp();
  for (const { uid, entry, id } of [
    { uid: OWN.runtime, entry: runtime, id: "spiffe://example.org/runtime/flow" },
    { uid: OWN.verifier, entry: verifier, id: "spiffe://example.org/verifier/mcp" },
  ]) {
    const key = publicKey();
    const svid = certificateOf(
      await broker.issueInfrastructure(kernel.start(uid), { entryId: entry.entryId, publicKey: key }),
    );
    expect(svid.subjectAltName).toBe(`URI:${id}`);
    expect(svid.publicKey.export({ type: "spki", format: "der" })).toEqual(Buffer.from(key));
    expect(Date.parse(svid.validTo) / 1_000).toBe(START + 299);
    const [row] = await store.history.issuances({ limit: 1, now: clock.now() });
    expect(row).toMatchObject({ subject: { kind: "infrastructure", entryId: entry.entryId }, kind: "x509-svid" });
  }
});

test("a key of the caller's own is taken from a request that proves it, and from no other", async () => {
  const { kernel, broker, runtime } = await setUp();
  const caller = kernel.start(OWN.runtime);
  const csr = certificateRequestOf(await generateKey());
  const { entryId } = runtime;
  expect(certificateOf(await broker.issueInfrastructure(caller, { entryId, csr })).subject).toBeUndefined();
  const tampered = Uint8Array.from(csr);
  tampered[tampered.length - 1] = (tampered[tampered.length - 1] ?? 0) ^ 1;
  await expect(broker.issueInfrastructure(caller, { entryId, csr: tampered })).rejects.toMatchObject({
    code: "CSR_INVALID",
  });
});

test("nobody is issued another's identity, and an agent none outside a step", async () => {
  const { kernel, broker, runtime, verifier, agent } = await setUp();
  const key = publicKey();
  for (const { uid, entry } of [
    { uid: OWN.runtime, entry: verifier },
    { uid: OWN.verifier, entry: runtime },
    { uid: OWN.agent, entry: agent },
  ]) {
    await expect(
      broker.issueInfrastructure(kernel.start(uid), { entryId: entry.entryId, publicKey: key }),
    ).rejects.toMatchObject({ code: "NOT_ENTITLED" });
  }
});

test("an entry that was disabled since the caller was matched is issued nothing: the ledger's guard refuses", async () => {
  const { kernel, broker, runtime } = await setUp();
  const { peer } = kernel.start(OWN.runtime);
  const caller = await attest(peer, { attestor: kernel.attestor, entries: broker.entries });
  await broker.registry.disable(runtime.entryId, OPERATOR);
  const wanted = { entryId: runtime.entryId, publicKey: publicKey() };
  const issuing = issueInfrastructureSvid(caller, wanted, broker.ports);
  await expect(issuing.then((answer) => (isDenial(answer) ? Promise.reject(answer) : answer))).rejects.toMatchObject({
    code: "NOT_ENTITLED",
  });
});

test("one process in a loop meets its limit, and disturbs no other process of the same entry", async () => {
  const { kernel, broker, runtime } = await setUp();
  const wanted = { entryId: runtime.entryId, publicKey: publicKey() };
  const eager = kernel.start(OWN.runtime);
  for (let count = 0; count < 100; count += 1) await broker.issueInfrastructure(eager, wanted);
  await expect(broker.issueInfrastructure(eager, wanted)).rejects.toMatchObject({ code: "LIMIT_EXCEEDED" });
  certificateOf(await broker.issueInfrastructure(kernel.start(OWN.runtime), wanted));
});
