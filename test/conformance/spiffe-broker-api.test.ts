import { type ChildProcess, spawn } from "node:child_process";
import { createPrivateKey, createPublicKey, X509Certificate } from "node:crypto";
import { status } from "@grpc/grpc-js";
import { decodeJwt } from "jose";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { API } from "../../src/gen/spiffe/broker/api_pb.js";
import { Credentials } from "../../src/gen/stint/v1/credentials_pb.js";
import { Outcome } from "../../src/gen/stint/v1/steps_pb.js";
import { openChannel } from "../../src/wire/channel.ts";
import { createClient } from "../../src/wire/client.ts";
import { reflectionContract } from "../../src/wire/reflection-contract.ts";
import type { Daemon } from "../daemon.ts";
import { SEARCH } from "../e2e/entries.ts";
import { operatorOf } from "../e2e/operator.ts";
import { authority, x509BundleDocument } from "../verify/certificate-forge.ts";
import {
  type Caller,
  callerWith,
  FLOW,
  type Identity,
  identityOf,
  STEP_TYPE,
  startBrokerDaemon,
  toAny,
  toPid,
  toStep,
} from "./broker-scene.ts";

const OTHER = "spiffe://example.org/runtime/other";
/** Long enough for a test, and nobody waits for it. */
const SLEEP_SECONDS = "60";

let daemon: Daemon;
let identity: Identity;
let runtime: Caller;
let remote: Caller;
let other: Caller;

beforeAll(async () => {
  daemon = await startBrokerDaemon();
  identity = await identityOf(daemon);
  runtime = callerWith(daemon, identity);
  remote = callerWith(daemon, identity, "tcp");
  other = callerWith(daemon, await identityOf(daemon, OTHER));
});

afterAll(async () => {
  for (const caller of [runtime, remote, other]) caller[Symbol.dispose]();
  await daemon[Symbol.asyncDispose]();
});

const spiffeError = (code: status, reason: string) =>
  expect.objectContaining({ code, info: expect.objectContaining({ reason, domain: "spiffe.io" }) });
const INVALID = spiffeError(status.INVALID_ARGUMENT, "WORKLOAD_REFERENCE_INVALID");
const NOT_FOUND = spiffeError(status.NOT_FOUND, "WORKLOAD_NOT_FOUND");
const NOT_ENTITLED = spiffeError(status.PERMISSION_DENIED, "WORKLOAD_NOT_ENTITLED");

/** The first message of a stream, and how it ends. */
async function firstOf<Message>(stream: AsyncIterable<Message>): Promise<Message> {
  for await (const message of stream) return message;
  throw new Error("the stream ended without a message");
}

/** A process that executes a step, and does nothing. */
function startExecutor(): ChildProcess & { readonly pid: number } {
  const child = spawn("sleep", [SLEEP_SECONDS]);
  onTestFinished(() => void child.kill("SIGKILL"));
  if (child.pid === undefined) throw new Error("not started");
  return child as ChildProcess & { readonly pid: number };
}

describe("Broker API section 3: references", () => {
  test("3.1.4: a step is referenced by a message of our own, and its SVID comes with key and bundle", async () => {
    const step = await runtime.open();
    const { svids } = await firstOf(runtime.api.subscribeToX509SVID(toStep(step)));
    expect(svids).toHaveLength(1);
    const [svid] = svids;
    const certificate = new X509Certificate(svid?.x509Svid ?? new Uint8Array());
    expect(svid?.spiffeId).toBe(step.spiffeId);
    expect(certificate.subjectAltName).toBe(`URI:${step.spiffeId}`);
    expect(svid?.hint).toBe(`${step.name?.runId}/look-up/1`);
    const key = createPrivateKey({ key: Buffer.from(svid?.x509SvidKey ?? []), format: "der", type: "pkcs8" });
    expect(createPublicKey(key).equals(certificate.publicKey)).toBe(true);
    const root = new X509Certificate(svid?.bundle ?? new Uint8Array());
    expect(certificate.verify(root.publicKey)).toBe(true);
  });

  test("3.1.2: a pid stands for the open steps of the caller's runs that this very process executes", async () => {
    const executor = startExecutor();
    const [first, second] = [await runtime.open(executor.pid), await runtime.open(executor.pid)];
    await runtime.open();
    const { svids } = await firstOf(runtime.api.subscribeToX509SVID(toPid(executor.pid)));
    expect(svids.map(({ spiffeId }) => spiffeId)).toEqual([first.spiffeId, second.spiffeId]);
  });

  test.for([
    { what: "none", request: {} },
    { what: "an empty one", request: { reference: {} } },
    { what: "a type that nobody knows", request: toAny("example.Unknown", new Uint8Array()) },
    {
      what: "a Kubernetes object, which this broker does not see",
      request: toAny("spiffe.broker.KubernetesObjectReference", new Uint8Array()),
    },
    { what: "bytes that are no message of the type", request: toAny(STEP_TYPE, Uint8Array.of(0xff)) },
    { what: "a step without a name", request: toAny(STEP_TYPE, new Uint8Array()) },
    { what: "a pid that is none", request: toPid(-1) },
  ])("4.8: $what is WORKLOAD_REFERENCE_INVALID, on every RPC", async ({ request }) => {
    const { api } = runtime;
    await expect(firstOf(api.subscribeToX509SVID(request))).rejects.toEqual(INVALID);
    await expect(firstOf(api.subscribeToX509Bundles(request))).rejects.toEqual(INVALID);
    await expect(firstOf(api.subscribeToJWTBundles(request))).rejects.toEqual(INVALID);
    await expect(api.fetchJWTSVID({ ...request, audience: [SEARCH] })).rejects.toEqual(INVALID);
  });

  test("4.8: a workload that is unknown or over is WORKLOAD_NOT_FOUND", async () => {
    const step = await runtime.open();
    const unknown = { ...step, name: { ...step.name, step: "never-opened" } } as typeof step;
    const later = { ...step, name: { ...step.name, attempt: 2 } } as typeof step;
    for (const request of [toStep(unknown), toStep(later), toPid(2 ** 22 + 1), toPid(startExecutor().pid)]) {
      await expect(firstOf(runtime.api.subscribeToX509SVID(request))).rejects.toEqual(NOT_FOUND);
    }
    await runtime.steps.close({ stepId: step.stepId, outcome: Outcome.COMPLETED });
    await expect(firstOf(runtime.api.subscribeToX509SVID(toStep(step)))).rejects.toEqual(NOT_FOUND);
    await expect(runtime.api.fetchJWTSVID({ ...toStep(step), audience: [SEARCH] })).rejects.toEqual(NOT_FOUND);
  });

  test("4.8: another runtime's step or process is WORKLOAD_NOT_ENTITLED", async () => {
    const executor = startExecutor();
    const step = await runtime.open(executor.pid);
    for (const request of [toStep(step), toPid(executor.pid)]) {
      await expect(firstOf(other.api.subscribeToX509SVID(request))).rejects.toEqual(NOT_ENTITLED);
    }
    expect((await firstOf(runtime.api.subscribeToX509SVID(toStep(step)))).svids).toHaveLength(1);
  });
});

describe("Broker API section 4", () => {
  test("4.1: only who is listed may reference, by what it is listed for, and over TCP only where that is said", async () => {
    const step = await remote.open();
    expect((await firstOf(remote.api.subscribeToX509SVID(toStep(step)))).svids).toHaveLength(1);
    await expect(firstOf(remote.api.subscribeToX509SVID(toPid(process.pid)))).rejects.toEqual(NOT_ENTITLED);
    using otherRemote = callerWith(daemon, await identityOf(daemon, OTHER), "tcp");
    const own = await otherRemote.open();
    await expect(firstOf(otherRemote.api.subscribeToX509SVID(toStep(own)))).rejects.toEqual(NOT_ENTITLED);
    expect((await firstOf(other.api.subscribeToX509SVID(toStep(own)))).svids).toHaveLength(1);
  });

  test("3.1.1: an executor can't be named over a network, where nobody sees its process", async () => {
    await expect(remote.open(process.pid)).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
      metadata: { field: "executor" },
    });
  });

  test("4.9: when the step ends the stream ends, and nothing comes after", async () => {
    const step = await runtime.open();
    const [svids, x509, jwt] = [
      runtime.api.subscribeToX509SVID(toStep(step)),
      runtime.api.subscribeToX509Bundles(toStep(step)),
      runtime.api.subscribeToJWTBundles(toStep(step)),
    ];
    await Promise.all([svids.next(), x509.next(), jwt.next()]);
    const ended = [svids, x509, jwt].map((stream) => stream.next());
    const settled = Promise.allSettled(ended);
    await runtime.steps.close({ stepId: step.stepId, outcome: Outcome.COMPLETED });
    for (const one of await settled) expect(one).toEqual({ status: "rejected", reason: NOT_FOUND });
  });

  test("4.9: when the executor's process ends so does what was given for it", async () => {
    const executor = startExecutor();
    const step = await runtime.open(executor.pid);
    const stream = runtime.api.subscribeToX509SVID(toStep(step));
    await stream.next();
    const ended = stream.next();
    executor.kill("SIGKILL");
    await expect(ended).rejects.toEqual(NOT_FOUND);
  });

  test("4.4: a stream for a process brings the whole state with each step that it begins or ends", async () => {
    const executor = startExecutor();
    const first = await runtime.open(executor.pid);
    const stream = runtime.api.subscribeToX509SVID(toPid(executor.pid));
    const idsOf = async () => (await stream.next()).value?.svids.map(({ spiffeId }) => spiffeId);
    expect(await idsOf()).toEqual([first.spiffeId]);
    const second = await runtime.open(executor.pid);
    let ids = await idsOf();
    // What was there is repeated first, while the new one is still on its way.
    while (ids?.length === 1) ids = await idsOf();
    expect(ids).toEqual([first.spiffeId, second.spiffeId]);
    await runtime.steps.close({ stepId: first.stepId, outcome: Outcome.COMPLETED });
    expect(await idsOf()).toEqual([second.spiffeId]);
    await stream.return?.();
  });

  test("a step whose executor has been issued a credential itself is served as before, under either reference", async () => {
    const step = await runtime.open(process.pid);
    const channel = openChannel(daemon.workloadSocket);
    onTestFinished(() => channel.close());
    const { stepId } = step;
    await createClient(Credentials, channel).issueJwtSvid({ stepId, wanted: { audiences: [SEARCH] } });
    for (const reference of [toStep(step), toPid(process.pid)]) {
      const { svids } = await runtime.api.fetchJWTSVID({ ...reference, audience: [SEARCH] });
      expect(svids.map(({ spiffeId }) => spiffeId)).toContain(step.spiffeId);
    }
    await runtime.credentials.issueJwtSvid({ stepId, wanted: { audiences: [SEARCH] } });
    await runtime.steps.close({ stepId, outcome: Outcome.COMPLETED });
  });

  test("FetchJWTSVID: a token of the step for the audience, within its grant and for nothing else", async () => {
    const step = await remote.open();
    const { svids } = await remote.api.fetchJWTSVID({ ...toStep(step), audience: [SEARCH] });
    expect(svids).toHaveLength(1);
    expect(decodeJwt(svids[0]?.svid ?? "")).toMatchObject({ sub: step.spiffeId, aud: [SEARCH], step_id: step.stepId });
    await expect(
      remote.api.fetchJWTSVID({ ...toStep(step), audience: ["https://elsewhere.example"] }),
    ).rejects.toMatchObject({ code: status.INVALID_ARGUMENT, reason: "AUDIENCE_INVALID" });
    await expect(remote.api.fetchJWTSVID({ ...toStep(step) })).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
      metadata: { field: "audience" },
    });
    await expect(remote.api.fetchJWTSVID({ ...toStep(step), audience: [SEARCH], spiffeId: FLOW })).rejects.toEqual(
      NOT_FOUND,
    );
  });

  test("bundles are given for a workload that is there", async () => {
    const step = await runtime.open();
    const x509 = await firstOf(runtime.api.subscribeToX509Bundles(toStep(step)));
    const der = x509.bundles["spiffe://example.org"];
    expect(new X509Certificate(der ?? new Uint8Array()).ca).toBe(true);
    const jwt = await firstOf(runtime.api.subscribeToJWTBundles(toStep(step)));
    const { keys } = JSON.parse(Buffer.from(jwt.bundles["spiffe://example.org"] ?? []).toString());
    expect(keys.map(({ use }: { readonly use: string }) => use)).toEqual(["jwt-svid"]);
  });

  test("foreign bundles are those of the referenced workload's agent, and come and go with the relationship", async () => {
    using operator = operatorOf(daemon.operatorSocket);
    const step = await runtime.open();
    const root = authority();
    const svids = runtime.api.subscribeToX509SVID(toStep(step))[Symbol.asyncIterator]();
    const bundles = runtime.api.subscribeToX509Bundles(toStep(step))[Symbol.asyncIterator]();
    expect((await svids.next()).value?.federatedBundles).toEqual({});
    expect(Object.keys((await bundles.next()).value?.bundles ?? {})).toEqual(["spiffe://example.org"]);
    await operator.federation.create({
      trustDomain: "other.example",
      bundleEndpointUrl: "https://127.0.0.1:9/",
      profile: { case: "httpsSpiffe", value: { endpointSpiffeId: "spiffe://other.example/stint/server" } },
      bundle: Buffer.from(x509BundleDocument(root)),
    });
    const foreign = { "spiffe://other.example": Buffer.from(root.der) };
    expect((await svids.next()).value?.federatedBundles).toEqual(foreign);
    expect((await bundles.next()).value?.bundles).toMatchObject(foreign);
    const jwt = await firstOf(runtime.api.subscribeToJWTBundles(toStep(step)));
    expect(String(Buffer.from(jwt.bundles["spiffe://other.example"] ?? []))).toBe('{"keys":[]}');
    await operator.federation.delete({ trustDomain: "other.example" });
    expect((await svids.next()).value?.federatedBundles).toEqual({});
    for (const stream of [svids, bundles]) await stream.return?.();
  });
});

describe("Broker Endpoint", () => {
  test("sections 3 and 6: every request without the header is INVALID_ARGUMENT, reflection included", async () => {
    for (const service of [API, reflectionContract("v1")]) {
      const client = runtime.clientOf(service, "workload.spiffe.io") as Record<string, (request: object) => unknown>;
      const [method] = service.methods;
      const answer = client[method?.localName ?? ""]?.({}) as
        | AsyncIterable<unknown>
        | { responses: AsyncIterable<unknown> };
      const stream = "responses" in answer ? answer.responses : answer;
      await expect(firstOf(stream)).rejects.toMatchObject({ code: status.INVALID_ARGUMENT });
    }
  });

  test("section 5: the step's own SVID is nobody's here, and a runtime's that was revoked is cut off", async () => {
    const step = await runtime.open();
    const { svids } = await firstOf(runtime.api.subscribeToX509SVID(toStep(step)));
    const [svid] = svids;
    const asStep: Identity = {
      ...identity,
      certificate: new X509Certificate(svid?.x509Svid ?? new Uint8Array()).toString(),
      key: createPrivateKey({ key: Buffer.from(svid?.x509SvidKey ?? []), format: "der", type: "pkcs8" })
        .export({ format: "pem", type: "pkcs8" })
        .toString(),
    };
    using stranger = callerWith(daemon, asStep);
    await expect(stranger.steps.list({})).rejects.toMatchObject({
      code: status.PERMISSION_DENIED,
      reason: "NO_IDENTITY",
    });
  });
});

test("a caller whose SVID is revoked in the middle of a stream is cut off, and can't come back with it", async () => {
  await using own = await startBrokerDaemon();
  const mine = await identityOf(own);
  using caller = callerWith(own, mine);
  const step = await caller.open();
  const stream = caller.api.subscribeToX509SVID(toStep(step));
  await stream.next();
  const ended = stream.next();
  using operator = operatorOf(own.operatorSocket);
  const value = new X509Certificate(mine.certificate).serialNumber.toLowerCase();
  const [settled] = await Promise.allSettled([
    ended,
    operator.revocations.revoke({ target: { case: "serialNumber", value }, reason: "keyCompromise" }),
  ]);
  expect(settled).toMatchObject({ status: "rejected", reason: { code: status.UNAVAILABLE } });
  await expect(caller.steps.list({})).rejects.toMatchObject({ reason: "NO_IDENTITY" });
});
