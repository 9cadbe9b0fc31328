import { X509Certificate } from "node:crypto";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { JoinTokens, Renewals } from "../../src/gen/stint/v1/attestation_pb.js";
import { SvidKind } from "../../src/gen/stint/v1/types_pb.js";
import { attestRuntime } from "../../src/sdk/runtime/attest-runtime.ts";
import type { AttestationEvidence, AttestationOptions } from "../../src/sdk/runtime/attestation-options.ts";
import { serverTrustOf } from "../../src/sdk/runtime/attestation-trust.ts";
import { attestedRuntimeSvid } from "../../src/sdk/runtime/attested-svid.ts";
import { certificateRequestOf, generateKey } from "../../src/sdk/runtime/certificate-request.ts";
import { createStint } from "../../src/sdk/runtime/index.ts";
import type { TlsIdentity } from "../../src/wire/channel.ts";
import { type Caller, callerWith, identityOf } from "../conformance/broker-scene.ts";
import { type Daemon, startDaemon } from "../daemon.ts";
import { manualTime } from "../sdk/runtime/manual-time.ts";
import { READ_SEARCH, SEARCH } from "./entries.ts";
import { type Operator, operatorOf } from "./operator.ts";

const selectors = [`unix:uid:${process.getuid?.()}`];
const ENTRIES = [
  { kind: "agent", name: "researcher", selectors, ceiling: [READ_SEARCH], allow_any_executor: true },
  { kind: "runtime", name: "flow", selectors, agents: ["researcher"] },
  { kind: "runtime", name: "worker", selectors: ["join_token:name:worker"], agents: ["researcher"] },
  { kind: "operator", name: "remote", selectors: ["join_token:name:remote"], role: "admin" },
  { kind: "operator", name: "local", selectors, role: "admin" },
];
const WORKER = "spiffe://example.org/runtime/worker";

let daemon: Daemon;
let operator: Operator;

beforeAll(async () => {
  daemon = await startDaemon({
    entries: ENTRIES,
    config: {
      broker: {
        listen: "127.0.0.1:0",
        callers: [
          { spiffe_id: WORKER, references: [{ type: "stint.v1.WorkflowStepReference", allow_over_tcp: true }] },
        ],
      },
      attestation: { listen: "127.0.0.1:0", own_svid: true },
    },
  });
  operator = operatorOf(daemon.operatorSocket);
});

afterAll(async () => {
  operator[Symbol.dispose]();
  await daemon[Symbol.asyncDispose]();
});

const brokerEndpoint = () => `tcp://127.0.0.1:${daemon.brokerPort}`;

async function optionsFor(evidence: AttestationEvidence): Promise<AttestationOptions> {
  const port = Number(daemon.log.find(({ msg }) => msg === "serving")?.["attestationPort"]);
  const bundle = await (await fetch(`${daemon.httpUrl}/spiffe-bundle.json`)).text();
  return { address: `127.0.0.1:${port}`, trust: { trustDomain: "example.org", bundle }, evidence };
}

async function joinToken(name = "worker"): Promise<string> {
  return (await operator.joinTokens.create({ name })).token;
}

async function attested(evidence: AttestationEvidence): Promise<TlsIdentity> {
  const options = await optionsFor(evidence);
  const trust = await serverTrustOf(options.trust, undefined);
  return (await attestRuntime(options, trust, AbortSignal.timeout(20_000))).identity;
}

/** On the broker endpoint, by an X.509-SVID. */
function callerBy({ certificateChain, privateKey, authorities }: TlsIdentity): Caller {
  const certificate = { spiffeId: "", certificate: certificateChain, key: privateKey, roots: authorities };
  const caller = callerWith(daemon, certificate, "tcp");
  onTestFinished(() => caller[Symbol.dispose]());
  return caller;
}

const renewal = async (caller: Caller) =>
  caller.clientOf(Renewals).renew({ csr: certificateRequestOf(await generateKey()) });

test("a runtime with nothing but a join token opens, uses and closes a step, and the token is good for no other", async () => {
  const token = await joinToken();
  const attestation = await optionsFor({ joinToken: token });
  using stint = createStint({ brokerEndpoint: brokerEndpoint(), attestation, agent: "researcher" });
  const options = { runId: "joined", step: "look-up", grant: [READ_SEARCH] as never, executor: "any" } as const;
  const { svid, aud } = await stint.withStep(options, async (step) => ({
    svid: await step.x509Svid(),
    aud: (await step.jwtSvid(SEARCH)).spiffeId,
  }));
  expect([svid.spiffeId, aud]).toEqual(
    Array(2).fill("spiffe://example.org/agent/researcher/run/joined/step/look-up/1"),
  );

  using another = createStint({ brokerEndpoint: brokerEndpoint(), attestation, agent: "researcher" });
  await expect(another.openStep({ ...options, runId: "again" })).rejects.toMatchObject({ reason: "NO_IDENTITY" });
  const { decisions } = await operator.history.listDecisions({ filter: { pageSize: 1 } });
  expect(decisions).toMatchObject([{ reason: "NO_IDENTITY", callerEntryId: "" }]);
  expect(daemon.stderr()).not.toContain(token.slice(-43));
});

test("the SVID of a spent join token is renewed at the broker endpoint before it ends", async () => {
  const time = manualTime();
  const svid = attestedRuntimeSvid(await optionsFor({ joinToken: await joinToken() }), brokerEndpoint(), time);
  onTestFinished(svid.close);
  const first = await svid.current();
  const changed = new Promise<TlsIdentity>((resolve) => svid.onChange(resolve));
  (await time.paused()).end();
  const next = await changed;
  expect(next.privateKey).not.toBe(first.privateKey);
  const { serialNumber } = new X509Certificate(next.certificateChain);
  const { issuances } = await operator.history.listIssuances({ filter: { pageSize: 2 }, kind: SvidKind.X509 });
  expect(issuances.map(({ spiffeId }) => spiffeId)).toEqual([WORKER, WORKER]);
  expect(issuances[0]?.serialNumber).toBe(serialNumber.toLowerCase());
  const requests = daemon.log.filter(({ method }) => method === "Renewals.Renew");
  expect(requests).toMatchObject([{ outcome: "OK", caller: ["runtime/worker"] }]);
});

test("an SVID that was revoked is not renewed", async () => {
  const identity = await attested({ joinToken: await joinToken() });
  const serialNumber = new X509Certificate(identity.certificateChain).serialNumber.toLowerCase();
  await operator.revocations.revoke({ target: { case: "serialNumber", value: serialNumber } });
  await expect(renewal(callerBy(identity))).rejects.toMatchObject({ reason: "NO_IDENTITY" });
});

test("an entry that was disabled is not renewed, nor attested", async () => {
  const entry = "runtime/worker";
  const identity = await attested({ joinToken: await joinToken() });
  const caller = callerBy(identity);
  await renewal(caller);
  await operator.entries.disable({ entry });
  onTestFinished(() => void operator.entries.enable({ entry }));
  await expect(renewal(callerBy(identity))).rejects.toMatchObject({ reason: "NO_IDENTITY" });
  await expect(attested({ joinToken: await joinToken() })).rejects.toMatchObject({ reason: "NO_IDENTITY" });
});

test("an entry that can be attested anew is not renewed", async () => {
  const flow = await identityOf(daemon, "spiffe://example.org/runtime/flow");
  using caller = callerWith(daemon, flow, "tcp");
  await expect(renewal(caller)).rejects.toMatchObject({ reason: "NOT_ENTITLED" });
});

test("an operator from afar makes join tokens, and a runtime none", async () => {
  const remote = callerBy(await attested({ joinToken: await joinToken("remote") }));
  const { token } = await remote.clientOf(JoinTokens).create({ name: "worker" });
  const runtime = callerBy(await attested({ joinToken: token }));
  await expect(runtime.clientOf(JoinTokens).create({ name: "worker" })).rejects.toMatchObject({
    reason: "NOT_ENTITLED",
  });
  await expect(runtime.clientOf(JoinTokens).list({})).rejects.toMatchObject({ reason: "NOT_ENTITLED" });
});
