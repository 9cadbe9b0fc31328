import { createHash, generateKeyPairSync } from "node:crypto";
import { status } from "@grpc/grpc-js";
import { decodeJwt, decodeProtectedHeader } from "jose";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Effect } from "../../src/gen/stint/v1/history_pb.js";
import { Steps } from "../../src/gen/stint/v1/steps_pb.js";
import { openChannel } from "../../src/wire/channel.ts";
import { createClient } from "../../src/wire/client.ts";
import { succeeds } from "../adapters/attestor-unix/peer-processes.ts";
import { type Daemon, startDaemon } from "../daemon.ts";
import { type Answer, type Caller, callerAs, OWN_PIDS } from "./as-user.ts";
import { ENTRIES, FILES, READ_SEARCH, SEARCH, UID, WRITE_FILES } from "./entries.ts";
import { type Operator, operatorOf } from "./operator.ts";

const isRoot = process.getuid?.() === 0;
if (!isRoot) process.stderr.write("steps.test.ts: skipped, it needs root to start processes of several users\n");

describe.skipIf(!isRoot)("one step, from open to close, between processes of several users", () => {
  let daemon: Daemon;
  let operator: Operator;
  let runtime: Caller;
  let other: Caller;
  let agent: Caller;
  let stranger: Caller;
  let run = 0;

  beforeAll(async () => {
    daemon = await startDaemon({ entries: ENTRIES, config: { development: false } });
    operator = operatorOf(daemon.operatorSocket);
    [runtime, other, agent, stranger] = (await Promise.all(
      [UID.runtime, UID.otherRuntime, UID.agent, UID.stranger].map((uid) => callerAs({ uid }, daemon.workloadSocket)),
    )) as [Caller, Caller, Caller, Caller];
  });
  afterAll(async () => {
    operator[Symbol.dispose]();
    for (const caller of [runtime, other, agent, stranger]) await caller[Symbol.asyncDispose]();
    await daemon[Symbol.asyncDispose]();
  });

  const nextRun = () => {
    run += 1;
    return `run-${run}`;
  };
  const opening = (more: object = {}) => ({
    runId: nextRun(),
    step: "look-up",
    agent: "inline",
    grant: { elements: [READ_SEARCH] },
    ...more,
  });
  const open = async (more: object = {}, by = runtime): Promise<Answer> =>
    (await by.call("Steps", "open", opening(more))).step;
  const forAgent = () => ({ agent: "researcher", executor: { pid: agent.pid } });
  const refusal = (reason: string) => expect.objectContaining({ reason });
  const jwtFor = (stepId: string, audience: string, by: Caller, more: object = {}) =>
    by.call("Credentials", "issueJwtSvid", { stepId, wanted: { audiences: [audience], ...more } });

  describe("opening", () => {
    test("a step is granted what was asked, and its identity names it", async () => {
      const step = await open({ runId: "run-a", step: "look-up" });
      expect(step).toMatchObject({
        state: "STEP_STATE_OPEN",
        spiffeId: "spiffe://example.org/agent/inline/run/run-a/step/look-up/1",
        name: { runId: "run-a", step: "look-up", attempt: 1 },
        grant: { elements: [READ_SEARCH] },
      });
    });

    test("above the ceiling: POLICY_DENIED, naming the elements, with a decision an operator can look up", async () => {
      const asked = opening({
        agent: "researcher",
        executor: { any: {} },
        grant: { elements: [{ ...READ_SEARCH, actions: ["read", "move_data"] }] },
      });
      const refused = await runtime.call("Steps", "open", asked).catch((error: unknown) => error);
      expect(refused).toMatchObject({ code: "PERMISSION_DENIED", reason: "POLICY_DENIED" });
      expect((refused as Error).message).toContain("search at https://search.example/mcp (read, move_data; internal)");
      const decisionId = (refused as { metadata: Record<string, string> }).metadata["decision_id"] ?? "";
      const { decisions } = await operator.history.listDecisions({ decisionId });
      expect(decisions).toMatchObject([{ reason: "POLICY_DENIED", agent: "researcher" }]);
    });

    test("allow_partial grants the permitted part and says what it dropped", async () => {
      const answer = await runtime.call(
        "Steps",
        "open",
        opening({ allowPartial: true, grant: { elements: [READ_SEARCH, { ...WRITE_FILES, actions: ["execute"] }] } }),
      );
      expect(answer.step.grant.elements).toEqual([READ_SEARCH]);
      expect(answer.refused.elements).toHaveLength(1);
    });

    test("two that race for one attempt: exactly one gets it", async () => {
      const asked = opening();
      const outcomes = await Promise.allSettled([1, 2, 3, 4].map(() => runtime.call("Steps", "open", asked)));
      expect(outcomes.filter((one) => one.status === "fulfilled")).toHaveLength(1);
      for (const one of outcomes)
        if (one.status === "rejected") expect(one.reason).toMatchObject({ reason: "STEP_EXISTS" });
    });

    test("a later attempt fences off the open one, whose credentials are revoked with it", async () => {
      const asked = opening();
      const first = (await runtime.call("Steps", "open", asked)).step;
      await jwtFor(first.stepId, SEARCH, runtime);
      const second = (await runtime.call("Steps", "open", { ...asked, attempt: 5 })).step;
      expect(second.name.attempt).toBe(5);
      await expect(jwtFor(first.stepId, SEARCH, runtime)).rejects.toEqual(refusal("STEP_CLOSED"));
      await expect(runtime.call("Steps", "open", { ...asked, attempt: 5 })).rejects.toEqual(refusal("STALE_ATTEMPT"));
      const { issuances } = await operator.history.listIssuances({ filter: { stepId: first.stepId } });
      expect(issuances).toMatchObject([{ revocationReason: "superseded" }]);
    });

    test("a run belongs to the entry that opened its first step", async () => {
      const step = await open({ ...forAgent(), runId: "run-owned" });
      await expect(open({ ...forAgent(), runId: "run-owned", step: "theirs" }, other)).rejects.toEqual(
        refusal("NOT_ENTITLED"),
      );
      await expect(other.call("Steps", "get", { stepId: step.stepId })).rejects.toEqual(refusal("NOT_ENTITLED"));
      await expect(other.call("Steps", "close", { stepId: step.stepId, outcome: "OUTCOME_COMPLETED" })).rejects.toEqual(
        refusal("NOT_ENTITLED"),
      );
    });

    test("the same request again gives the same step; the same id for another request is refused", async () => {
      const asked = opening({ requestId: "req-1", credentials: { jwtSvids: [{ audiences: [SEARCH] }] } });
      const first = await runtime.call("Steps", "open", asked);
      const again = await runtime.call("Steps", "open", asked);
      expect(again.step.stepId).toBe(first.step.stepId);
      expect(again.jwtSvids[0].svid.issuanceId).not.toBe(first.jwtSvids[0].svid.issuanceId);
      await expect(runtime.call("Steps", "open", { ...asked, step: "another" })).rejects.toEqual(
        refusal("REQUEST_ID_REUSED"),
      );
    });

    test.for([
      { field: "run_id", more: { runId: "../etc" } },
      { field: "run_id", more: { runId: "" } },
      { field: "step", more: { step: "a/b" } },
      { field: "step", more: { step: ".." } },
      { field: "agent", more: { agent: "inl%69ne" } },
      { field: "workflow", more: { workflow: "a\nb" } },
      { field: "purpose", more: { purpose: "\u001b[2J" } },
      { field: "expires_at", more: { expiresAt: "2036-01-01T00:00:00Z" } },
      { field: "lease", more: { lease: "0.5s" } },
      { field: "principal_token", more: { principalToken: "eyJ" } },
      { field: "executor", more: { executor: { any: {} } } },
    ])("$field that is not acceptable is refused by name", async ({ field, more }) => {
      await expect(open(more)).rejects.toMatchObject({
        code: "INVALID_ARGUMENT",
        reason: "INVALID_FIELD",
        metadata: { field },
      });
    });

    test("a runtime opens steps only for its agents", async () => {
      await expect(open({ agent: "inline", executor: { pid: runtime.pid } }, other)).rejects.toEqual(
        refusal("NOT_ENTITLED"),
      );
    });

    test("an executor must be a process of the agent", async () => {
      await expect(open({ agent: "researcher", executor: { pid: stranger.pid } })).rejects.toEqual(
        refusal("NOT_ENTITLED"),
      );
      await expect(open({ agent: "researcher" })).rejects.toEqual(refusal("NOT_ENTITLED"));
      await expect(open({ agent: "researcher", executor: { pid: 4_194_303 } })).rejects.toEqual(
        refusal("EXECUTOR_GONE"),
      );
    });

    test("a pid is the executor's only where opener and broker number processes alike", async (context) => {
      context.skip(!succeeds([...OWN_PIDS, "true"]), "needs leave to make namespaces");
      await using apart = await callerAs({ uid: UID.runtime, ownPids: true }, daemon.workloadSocket);
      await expect(open(forAgent(), apart)).rejects.toMatchObject({
        reason: "INVALID_FIELD",
        metadata: { field: "executor" },
      });
      const forAny = { agent: "inline" };
      expect(await open(forAny, apart)).toMatchObject({ state: "STEP_STATE_OPEN" });
    });

    test("a child gets no more than its parent holds, nor longer", async () => {
      const parent = await open({ runId: "run-tree", grant: { elements: [READ_SEARCH] } });
      const child = { runId: "run-tree", step: "child", parentStepId: parent.stepId };
      await expect(open({ ...child, grant: { elements: [WRITE_FILES] } })).rejects.toEqual(
        refusal("DELEGATION_REFUSED"),
      );
      const late = new Date(Date.parse(parent.expiresAt) + 60_000).toISOString();
      await expect(open({ ...child, expiresAt: late })).rejects.toEqual(refusal("DELEGATION_REFUSED"));
      const opened = await open(child);
      expect(Date.parse(opened.expiresAt)).toBeLessThanOrEqual(Date.parse(parent.expiresAt));
      await runtime.call("Steps", "close", { stepId: parent.stepId, outcome: "OUTCOME_COMPLETED" });
      const { step } = await runtime.call("Steps", "get", { stepId: opened.stepId });
      expect(step).toMatchObject({ state: "STEP_STATE_CANCELLED", closeReason: "cessationOfOperation" });
      await expect(open({ ...child, step: "late" })).rejects.toEqual(refusal("DELEGATION_REFUSED"));
    });
  });

  describe("who calls is what the kernel says", () => {
    test("a process that matches no entry gets nothing, whatever it claims", async () => {
      const claims = { "x-spiffe-id": "spiffe://example.org/runtime/flow", "stint-uid": String(UID.runtime) };
      await expect(stranger.call("Steps", "open", opening(), claims)).rejects.toMatchObject({
        code: "PERMISSION_DENIED",
        reason: "NO_IDENTITY",
      });
      const { decisions } = await operator.history.listDecisions({ effect: Effect.DENY });
      expect(decisions[0]).toMatchObject({ reason: "NO_IDENTITY" });
    });

    test("an agent under the broker's or an operator's user is refused, by API too", async () => {
      const kind = { case: "agent" as const, value: { ceiling: { elements: [READ_SEARCH] } } };
      const content = { name: "inside", selectors: [`unix:uid:${process.getuid?.()}`], kind };
      await expect(operator.entries.create({ content })).rejects.toMatchObject({ metadata: { field: "selectors" } });
    });

    test.for([
      { header: "none of that name", securityHeader: "x-none" },
      { header: "one in other letters of the broker endpoint", securityHeader: "broker.spiffe.io" },
    ])("a call with $header is refused before anything else", async ({ securityHeader }) => {
      const channel = openChannel(daemon.workloadSocket);
      try {
        const steps = createClient(Steps, channel, { securityHeader });
        await expect(steps.list({})).rejects.toMatchObject({
          code: status.INVALID_ARGUMENT,
          metadata: { field: "workload.spiffe.io" },
        });
      } finally {
        channel.close();
      }
    });
  });

  describe("issuing", () => {
    test("only the executor's process is issued a step's credentials", async () => {
      const step = await open(forAgent());
      await expect(jwtFor(step.stepId, SEARCH, runtime)).rejects.toEqual(refusal("NOT_ENTITLED"));
      await using twin = await callerAs({ uid: UID.agent }, daemon.workloadSocket);
      await expect(jwtFor(step.stepId, SEARCH, twin)).rejects.toEqual(refusal("NOT_ENTITLED"));
      expect((await jwtFor(step.stepId, SEARCH, agent)).svid.spiffeId).toBe(step.spiffeId);
    });

    test("a JWT-SVID says what contracts promise, and no more", async () => {
      const step = await open({ workflow: "weekly-report" });
      const { svid } = await jwtFor(step.stepId, SEARCH, runtime);
      const claims = decodeJwt(svid.svid);
      const { iat = 0, exp = 0 } = claims;
      expect(claims).toEqual({
        iss: "https://broker.example.org",
        sub: step.spiffeId,
        aud: [SEARCH],
        iat,
        nbf: iat,
        exp,
        jti: expect.stringMatching(/^[\w-]{22}$/),
        client_id: "spiffe://example.org/agent/inline",
        txn: step.name.runId,
        scope: "mcp:tool:search",
        authorization_details: [READ_SEARCH],
        workflow: "weekly-report",
        run_id: step.name.runId,
        step: "look-up",
        attempt: 1,
        step_id: step.stepId,
      });
      expect(exp - iat).toBe(65);
      expect(exp).toBeLessThanOrEqual(Date.parse(step.expiresAt) / 1_000);
    });

    test("a token is bound to what the caller names, and a WIT-SVID to its key; a private key is refused", async () => {
      const step = await open();
      const jkt = Buffer.alloc(32, 7);
      const { svid } = await jwtFor(step.stepId, SEARCH, runtime, { cnf: { jkt: jkt.toString("base64") } });
      expect(decodeJwt(svid.svid)).toMatchObject({ cnf: { jkt: jkt.toString("base64url") } });

      const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
      const wit = async (jwk: object) =>
        runtime.call("Credentials", "issueWitSvid", { stepId: step.stepId, jwk: JSON.stringify(jwk) });
      const { svid: witSvid } = await wit(publicKey.export({ format: "jwk" }));
      expect(decodeProtectedHeader(witSvid.svid)).toMatchObject({ typ: "wit+jwt", alg: "ES256" });
      const claims = decodeJwt(witSvid.svid);
      expect(claims).toMatchObject({ sub: step.spiffeId, step_id: step.stepId });
      expect(claims).toMatchObject({ cnf: { jwk: { ...publicKey.export({ format: "jwk" }), alg: "ES256" } } });
      expect(claims).not.toHaveProperty("aud");
      expect(claims).not.toHaveProperty("iss");
      await expect(wit(privateKey.export({ format: "jwk" }))).rejects.toMatchObject({ metadata: { field: "jwk" } });
    });

    test("an audience the step was not opened for is refused, and so is more than its grant", async () => {
      const step = await open();
      await expect(jwtFor(step.stepId, FILES, runtime)).rejects.toEqual(refusal("AUDIENCE_INVALID"));
      await expect(
        jwtFor(step.stepId, SEARCH, runtime, { grant: { elements: [{ ...READ_SEARCH, actions: ["write"] }] } }),
      ).rejects.toEqual(refusal("GRANT_EXCEEDED"));
      await expect(jwtFor(step.stepId, SEARCH, runtime, { cnf: { jkt: "AAAA" } })).rejects.toMatchObject({
        metadata: { field: "wanted.cnf.jkt" },
      });
      const two = runtime.call("Credentials", "issueJwtSvid", {
        stepId: step.stepId,
        wanted: { audiences: [SEARCH, FILES] },
      });
      await expect(two).rejects.toEqual(refusal("AUDIENCE_INVALID"));
    });

    test("a batch is answered item by item, in order", async () => {
      const step = await open({ grant: { elements: [READ_SEARCH, WRITE_FILES] } });
      const { outcomes } = await runtime.call("Credentials", "issueJwtSvids", {
        stepId: step.stepId,
        wanted: [{ audiences: [SEARCH] }, { audiences: ["https://elsewhere.example"] }, { audiences: [FILES] }],
      });
      expect(
        outcomes.map((one: Answer) => (one.svid === undefined ? one.refusal.reason : decodeJwt(one.svid.svid).aud)),
      ).toEqual([[SEARCH], "AUDIENCE_INVALID", [FILES]]);
    });

    test("every credential has its row, found by the hash of what was signed", async () => {
      const step = await open();
      const { svid } = await jwtFor(step.stepId, SEARCH, runtime);
      const signed = svid.svid.slice(0, svid.svid.lastIndexOf("."));
      const toBeSignedSha256 = createHash("sha256").update(signed).digest();
      const found = await operator.history.lookUp({ toBeSignedSha256 });
      expect(found).toMatchObject({ issuance: { issuanceId: svid.issuanceId }, step: { stepId: step.stepId } });
    });

    test("garbage in place of a CSR is refused, and leaves no row", async () => {
      const step = await open();
      const { publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
      for (const csr of [
        Buffer.from("junk"),
        publicKey.export({ type: "spki", format: "der" }),
        Buffer.alloc(20_000, 0x30),
      ]) {
        const asked = { stepId: step.stepId, csr: csr.toString("base64") };
        await expect(runtime.call("Credentials", "issueX509Svid", asked)).rejects.toEqual(refusal("CSR_INVALID"));
      }
      const { issuances } = await operator.history.listIssuances({ filter: { stepId: step.stepId } });
      expect(issuances).toEqual([]);
    });
  });

  describe("closing", () => {
    test("once a close has returned nothing of the step is issued any more, and what was is revoked", async () => {
      const step = await open();
      await jwtFor(step.stepId, SEARCH, runtime);
      const closed = await runtime.call("Steps", "close", { stepId: step.stepId, outcome: "OUTCOME_FAILED" });
      expect(closed).toMatchObject({ credentialsRevoked: 1, step: { state: "STEP_STATE_FAILED" } });
      await expect(jwtFor(step.stepId, SEARCH, runtime)).rejects.toMatchObject({
        reason: "STEP_CLOSED",
        metadata: { state: "FAILED" },
      });
      const { issuances } = await operator.history.listIssuances({ filter: { stepId: step.stepId } });
      expect(issuances).toMatchObject([{ revocationReason: "cessationOfOperation", revokedAt: expect.anything() }]);
    });

    test("closing a closed step returns the recorded result", async () => {
      const step = await open();
      const first = await runtime.call("Steps", "close", { stepId: step.stepId, outcome: "OUTCOME_COMPLETED" });
      const again = await runtime.call("Steps", "close", { stepId: step.stepId, outcome: "OUTCOME_FAILED" });
      expect(again).toMatchObject({ sequence: first.sequence, step: { state: "STEP_STATE_COMPLETED" } });
    });

    test("while it is closed under load, no credential that was answered lacks its revocation", async () => {
      const step = await open();
      const issuing = Array.from({ length: 40 }, () =>
        jwtFor(step.stepId, SEARCH, runtime).then(
          (answer) => answer.svid.issuanceId as string,
          () => undefined,
        ),
      );
      const closing = runtime.call("Steps", "close", { stepId: step.stepId, outcome: "OUTCOME_COMPLETED" });
      const [issued] = await Promise.all([Promise.all(issuing), closing]);
      const { issuances } = await operator.history.listIssuances({ filter: { stepId: step.stepId, pageSize: 500 } });
      const revoked = new Set(issuances.filter((one) => one.revokedAt !== undefined).map((one) => one.issuanceId));
      expect(issued.filter((id) => id !== undefined && !revoked.has(id))).toEqual([]);
      expect(issuances.every((one) => one.revokedAt !== undefined)).toBe(true);
    });

    test("an executor may report its own outcome, and not cancel", async () => {
      const step = await open(forAgent());
      await expect(agent.call("Steps", "close", { stepId: step.stepId, outcome: "OUTCOME_CANCELLED" })).rejects.toEqual(
        refusal("NOT_ENTITLED"),
      );
      expect(await agent.call("Steps", "close", { stepId: step.stepId, outcome: "OUTCOME_COMPLETED" })).toMatchObject({
        step: { state: "STEP_STATE_COMPLETED" },
      });
    });

    test("a step whose executor dies is abandoned, and its holder told", async () => {
      await using mortal = await callerAs({ uid: UID.agent }, daemon.workloadSocket);
      const step = await open({ agent: "researcher", executor: { pid: mortal.pid } });
      const messages = runtime.stream("Steps", "hold", { stepId: step.stepId });
      expect((await messages.next()).value).toMatchObject({ step: { state: "STEP_STATE_OPEN" } });
      mortal.signal("SIGKILL");
      expect((await messages.next()).value).toMatchObject({ step: { state: "STEP_STATE_ABANDONED" } });
      expect((await messages.next()).done).toBe(true);
    });

    test("a step once held is abandoned when its holder is gone for longer than the grace", {
      timeout: 20_000,
    }, async () => {
      await using holder = await callerAs({ uid: UID.runtime }, daemon.workloadSocket);
      const step = await open(forAgent());
      const held = holder.stream("Steps", "hold", { stepId: step.stepId });
      await held.next();
      const observed = agent.stream("Steps", "hold", { stepId: step.stepId });
      await observed.next();
      holder.signal("SIGKILL");
      expect((await observed.next()).value).toMatchObject({ step: { state: "STEP_STATE_ABANDONED" } });
    });

    test("a lease that is not renewed abandons its step; renewing sets it anew", { timeout: 20_000 }, async () => {
      const step = await open({ ...forAgent(), lease: "2s" });
      const observed = agent.stream("Steps", "hold", { stepId: step.stepId });
      await observed.next();
      const { step: renewed } = await runtime.call("Steps", "renew", { stepId: step.stepId });
      expect(Date.parse(renewed.leaseExpiresAt)).toBeGreaterThan(Date.parse(step.leaseExpiresAt));
      let last: Answer;
      for await (const message of observed) last = message.step;
      expect(last.state).toBe("STEP_STATE_ABANDONED");
    });
  });

  describe("an operator", () => {
    test("revokes a run, which stays barred; a dry run does nothing", async () => {
      const step = await open({ runId: "run-bad" });
      await jwtFor(step.stepId, SEARCH, runtime);
      const target = { case: "runId", value: "run-bad" } as const;
      expect(await operator.revocations.revoke({ target, dryRun: true })).toMatchObject({
        sequence: 0n,
        stepsClosedCount: 1,
        credentialsRevokedCount: 1,
      });
      expect((await runtime.call("Steps", "get", { stepId: step.stepId })).step.state).toBe("STEP_STATE_OPEN");
      expect(await operator.revocations.revoke({ target, reason: "keyCompromise" })).toMatchObject({
        stepsClosedCount: 1,
        credentialsRevokedCount: 1,
      });
      expect((await runtime.call("Steps", "get", { stepId: step.stepId })).step).toMatchObject({
        state: "STEP_STATE_REVOKED",
        closeReason: "keyCompromise",
      });
      await expect(open({ runId: "run-bad", step: "again" })).rejects.toEqual(refusal("NOT_ENTITLED"));
    });

    test("takes back one credential, its step staying open", async () => {
      const step = await open();
      const { svid } = await jwtFor(step.stepId, SEARCH, runtime);
      const jti = decodeJwt(svid.svid).jti ?? "";
      expect(await operator.revocations.revoke({ target: { case: "jti", value: jti } })).toMatchObject({
        credentialsRevokedCount: 1,
      });
      expect((await runtime.call("Steps", "get", { stepId: step.stepId })).step.state).toBe("STEP_STATE_OPEN");
    });

    test("disables an entry: its steps close, and no new one opens until it is enabled", async () => {
      const step = await open(forAgent());
      expect(await operator.entries.disable({ entry: "agent/researcher" })).toMatchObject({
        stepsClosed: expect.any(Number),
      });
      expect((await runtime.call("Steps", "get", { stepId: step.stepId })).step.state).toBe("STEP_STATE_REVOKED");
      await expect(open(forAgent())).rejects.toEqual(refusal("NOT_ENTITLED"));
      await operator.entries.enable({ entry: "agent/researcher" });
      await open(forAgent());
    });

    test("is not obeyed on the workload socket, nor from a user without a role", async () => {
      await expect(runtime.call("Revocations", "revoke", { runId: "run-1" })).rejects.toEqual(refusal("NOT_ENTITLED"));
    });

    test("an entry of the configuration file is changed there, not here", async () => {
      const { entry } = await operator.entries.get({ entry: "verifier/mcp-1" });
      await expect(
        operator.entries.update({ entry: "verifier/mcp-1", content: entry?.content ?? {} }),
      ).rejects.toMatchObject({ reason: "INVALID_FIELD" });
    });
  });

  test("no token, key or CSR is in the daemon's log, and every request is one line", async () => {
    const log = daemon.stderr();
    expect(log).not.toMatch(/eyJ[A-Za-z0-9_-]{10}/);
    expect(log).not.toContain("PRIVATE KEY");
    const requests = daemon.log.filter((line) => line.msg === "request");
    expect(requests.length).toBeGreaterThan(50);
    expect(requests.every((line) => typeof line["method"] === "string" && typeof line["outcome"] === "string")).toBe(
      true,
    );
  });
});
