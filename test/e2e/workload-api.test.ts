import { X509Certificate } from "node:crypto";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type Daemon, startDaemon } from "../daemon.ts";
import { type Answer, type Caller, callerAs } from "./as-user.ts";
import { ENTRIES, READ_SEARCH, SEARCH, UID } from "./entries.ts";
import { type Operator, operatorOf } from "./operator.ts";

const isRoot = process.getuid?.() === 0;
if (!isRoot) process.stderr.write("workload-api.test.ts: skipped, it needs root to start processes of several users\n");

describe.skipIf(!isRoot)("the SPIFFE Workload API, between processes of several users", () => {
  let daemon: Daemon;
  let operator: Operator;
  let runtime: Caller;
  let agent: Caller;
  let twin: Caller;
  let verifier: Caller;
  let stranger: Caller;
  let opened: string[] = [];
  let runs = 0;

  beforeAll(async () => {
    daemon = await startDaemon({ entries: ENTRIES, config: { development: false } });
    operator = operatorOf(daemon.operatorSocket);
    [runtime, agent, twin, verifier, stranger] = (await Promise.all(
      [UID.runtime, UID.agent, UID.agent, UID.verifier, UID.stranger].map((uid) =>
        callerAs({ uid }, daemon.workloadSocket),
      ),
    )) as [Caller, Caller, Caller, Caller, Caller];
  });
  afterEach(async () => {
    for (const stepId of opened.splice(0)) await close(stepId);
  });
  afterAll(async () => {
    operator[Symbol.dispose]();
    for (const caller of [runtime, agent, twin, verifier, stranger]) await caller[Symbol.asyncDispose]();
    await daemon[Symbol.asyncDispose]();
  });

  async function open(executor: { readonly pid: number } | { readonly any: Record<string, never> }): Promise<Answer> {
    runs += 1;
    const request = { runId: `run-${runs}`, step: "look-up", agent: "researcher", executor };
    const { step } = await runtime.call("Steps", "open", { ...request, grant: { elements: [READ_SEARCH] } });
    opened.push(step.stepId);
    return step;
  }
  async function close(stepId: string): Promise<void> {
    opened = opened.filter((one) => one !== stepId);
    await runtime.call("Steps", "close", { stepId, outcome: "OUTCOME_COMPLETED" });
  }
  const x509 = (to: Caller) => to.stream("SpiffeWorkloadAPI", "fetchX509SVID", {});
  const bundles = (to: Caller) => to.stream("SpiffeWorkloadAPI", "fetchX509Bundles", {});
  const idsOf = ({ value }: Answer) => value.svids.map((svid: Answer) => svid.spiffeId);
  const denied = expect.objectContaining({ code: "PERMISSION_DENIED", reason: "NO_IDENTITY" });

  test("each is given its own identities and nobody else's", async () => {
    const [own, any] = [await open({ pid: agent.pid }), await open({ any: {} })];
    const [toAgent, toTwin, toRuntime, toVerifier] = [agent, twin, runtime, verifier].map(x509);
    expect(idsOf(await toAgent?.next())).toEqual([own.spiffeId, any.spiffeId]);
    expect(idsOf(await toTwin?.next())).toEqual([any.spiffeId]);
    expect(idsOf(await toRuntime?.next())).toEqual(["spiffe://example.org/runtime/flow"]);
    expect(idsOf(await toVerifier?.next())).toEqual(["spiffe://example.org/verifier/mcp-1"]);
    await expect(x509(stranger).next()).rejects.toEqual(denied);
  });

  test("nobody fetches a JWT-SVID of another's step, by name or without", async () => {
    const step = await open({ pid: agent.pid });
    const fetch = (by: Caller, spiffeId = "") =>
      by.call("SpiffeWorkloadAPI", "fetchJWTSVID", { audience: [SEARCH], spiffeId });
    expect((await fetch(agent, step.spiffeId)).svids).toMatchObject([{ spiffeId: step.spiffeId }]);
    for (const other of [twin, runtime, verifier, stranger]) {
      await expect(fetch(other, step.spiffeId)).rejects.toEqual(denied);
      await expect(fetch(other)).rejects.toEqual(denied);
    }
  });

  test("a verifier has a token validated that it was sent; a stranger is not answered", async () => {
    const step = await open({ pid: agent.pid });
    const { svids } = await agent.call("SpiffeWorkloadAPI", "fetchJWTSVID", { audience: [SEARCH] });
    const request = { audience: SEARCH, svid: svids[0].svid };
    expect(await verifier.call("SpiffeWorkloadAPI", "validateJWTSVID", request)).toMatchObject({
      spiffeId: step.spiffeId,
      claims: { scope: "mcp:tool:search" },
    });
    await expect(stranger.call("SpiffeWorkloadAPI", "validateJWTSVID", request)).rejects.toEqual(denied);
  });

  test("bundles are for whoever is registered, and end when it no longer is", async () => {
    await expect(bundles(stranger).next()).rejects.toEqual(denied);
    const stream = bundles(verifier);
    expect(Object.keys((await stream.next()).value.bundles)).toEqual(["spiffe://example.org"]);
    await operator.entries.disable({ entry: "verifier/mcp-1" });
    await expect(stream.next()).rejects.toEqual(denied);
    await operator.entries.enable({ entry: "verifier/mcp-1" });
  });

  test("a step whose process is killed is given to no other, and its SVID is revoked", async () => {
    const doomed = await callerAs({ uid: UID.agent }, daemon.workloadSocket);
    const step = await open({ pid: doomed.pid });
    const { value } = await x509(doomed).next();
    const serial = new X509Certificate(Buffer.from(value.svids[0].x509Svid, "base64")).serialNumber.toLowerCase();
    const held = runtime.stream("Steps", "hold", { stepId: step.stepId });
    await held.next();
    await doomed[Symbol.asyncDispose]();
    expect((await held.next()).value.step.state).toBe("STEP_STATE_ABANDONED");
    opened = opened.filter((one) => one !== step.stepId);
    const { issuances } = await operator.history.listIssuances({ filter: { stepId: step.stepId } });
    expect(issuances).toMatchObject([
      { serialNumber: serial.replace(/^(00)+/, ""), revocationReason: "cessationOfOperation" },
    ]);
  });

  test("what streams issue is logged and counted like any call, without a key or a token", async () => {
    await open({ pid: agent.pid });
    const stream = x509(agent);
    const first = (await stream.next()).value;
    await open({ pid: agent.pid });
    await stream.next();
    const methods = () => daemon.log.filter(({ msg }) => msg === "request").map(({ method }) => String(method));
    await expect.poll(methods).toContain("SpiffeWorkloadAPI.FetchX509SVID.Renew");
    expect(methods()).toContain("SpiffeWorkloadAPI.FetchX509SVID");
    expect(daemon.stderr()).not.toContain(first.svids[0].x509SvidKey);
  });
});
