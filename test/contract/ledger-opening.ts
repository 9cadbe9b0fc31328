import { expect, test } from "vitest";
import { decidedOn } from "../../src/domain/decision.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import type { NodeName } from "../../src/domain/node-name.ts";
import { ownedBy } from "../../src/domain/owner.ts";
import { type ProcessIdentity, processOfNode, remoteProcess } from "../../src/domain/process.ts";
import type { OpenedStep, Step } from "../../src/domain/step.ts";
import { addMicros, addSeconds, secondsOf } from "../../src/domain/time.ts";
import type { OpenStepAct } from "../../src/ports/ledger-acts.ts";
import { done, present, processOf, type World } from "./ledger-world.ts";

/** A process that a node vouches for. */
const onMachine = (node: string) => processOfNode(node as NodeName, processOf(50));

/** What opening a step promises: every guard of the port, and which of two comes first. */
export function openingContract(worldOf: () => World): void {
  const refusal = (code: string) => expect.objectContaining({ kind: "denial", code });

  test("a step that was opened reads back just as it was answered", async () => {
    const world = worldOf();
    const agent = await world.agent();
    const opened = await world.open(agent, {
      workflow: "invoice",
      purpose: "find the invoice",
      leaseSeconds: 30,
      audiences: ["https://api.example.org"],
      principal: { principalId: "ab".repeat(32), sealed: "key.sealed" },
      requestId: "request-1",
      requestDigest: "d1",
    });
    expect(opened).toMatchObject({ state: "OPEN", held: false, depth: 0 });
    expect(opened.openedSequence).toBe(world.ledger.head().sequence);
    expect(opened.leaseExpiresAt).toBe(addMicros(opened.openedAt, 30_000_000));
    expect(await world.step(opened.stepId)).toEqual(opened);
    expect(await world.store.steps.newestAttempt(opened.runId, opened.step)).toEqual(opened);
    expect(await world.store.steps.stepByRequest(agent.entryId, opened.opener, "request-1")).toEqual(opened);
  });

  test("what was never opened is nowhere", async () => {
    const { steps } = worldOf().store;
    expect(await steps.step("step_none")).toBeUndefined();
    expect(await steps.newestAttempt("run-none", "none")).toBeUndefined();
    expect(await steps.stepByRequest("entry_none", processOf(9), "none")).toBeUndefined();
  });

  test("open steps are listed oldest first, as of the newest event", async () => {
    const world = worldOf();
    const agent = await world.agent();
    const first = await world.open(agent);
    const second = await world.open(agent, { executor: { kind: "any" } });
    await world.close(await world.open(agent));
    const { value, through } = await world.store.projections.openSteps();
    expect(value.filter((step) => step.agentEntryId === agent.entryId)).toEqual([first, second]);
    expect(through).toBe(world.ledger.head().sequence);
  });

  test("a repeated request gets the same step, also after it was closed, until the step's expiry", async () => {
    const world = worldOf();
    const agent = await world.agent();
    const request = { requestId: "again", requestDigest: "d" };
    const step = await world.open(agent, request);
    const before = world.ledger.head().sequence;
    const again = () => world.ledger.perform(world.openAct(agent, request));
    expect(await again()).toEqual({ kind: "existing", stepId: step.stepId });
    expect(world.ledger.head().sequence).toBe(before);
    const other = world.openAct(agent, { ...request, requestDigest: "other" });
    expect(await world.ledger.perform(other)).toEqual(refusal("REQUEST_ID_REUSED"));
    const elsewhere = world.openAct(agent, { ...request, opener: processOf(77), requestDigest: "other" });
    expect(await world.ledger.perform(elsewhere)).toMatchObject({ kind: "opened" });
    await world.close(step);
    expect(await again()).toEqual({ kind: "existing", stepId: step.stepId });
    world.clock.advance(301_000);
    expect(await again()).toMatchObject({ kind: "opened" });
  });

  test("a run belongs to the entry that opened its first step", async () => {
    const world = worldOf();
    const [mine, other] = [await world.agent(), await world.agent()];
    const { runId } = await world.open(mine);
    expect(await world.ledger.perform(world.openAct(other, { runId }))).toEqual(refusal("NOT_ENTITLED"));
    expect(await world.ledger.perform(world.openAct(mine, { runId }))).toMatchObject({ kind: "opened" });
  });

  test("a run of an entry on a group of nodes is one machine's, and another's to nobody: neither to open in, nor to retry", async () => {
    const world = worldOf();
    const agent = await world.agent();
    const [one, two] = [onMachine("pool/one"), onMachine("pool/two")];
    const nameless = [processOf(50), onMachine("single"), remoteProcess(agent.entryId)];
    const owners = [one, two, onMachine("other/one"), ...nameless];
    const isSame = (a: ProcessIdentity, b: ProcessIdentity) =>
      a.bootId === b.bootId || [a, b].every((process) => nameless.includes(process));
    for (const opener of owners) {
      const { runId, step } = await world.open(agent, { opener });
      for (const other of owners) {
        const answer = isSame(opener, other) ? { kind: "opened" } : refusal("NOT_ENTITLED");
        const beside = world.openAct(agent, { runId, opener: other });
        expect(await world.ledger.perform(beside)).toMatchObject(answer);
        if (isSame(opener, other)) continue;
        const retry = world.openAct(agent, { runId, step, attempt: 9, opener: other }, { supersedes: true });
        expect(await world.ledger.perform(retry)).toEqual(answer);
      }
      const { machine } = ownedBy(agent.entryId, opener);
      const owner = { entryId: agent.entryId, ...(machine === undefined ? {} : { machine }) };
      expect(await world.store.steps.runOwner(runId)).toEqual(owner);
      const listed = await world.store.history.steps({ runId, runOwner: owner, limit: 10 });
      expect(listed).not.toEqual([]);
      const foreign = { entryId: agent.entryId, machine: "pool/three" as NodeName };
      expect(await world.store.history.steps({ runId, runOwner: foreign, limit: 10 })).toEqual([]);
    }
  });

  test("another entry opens in a run only below a step of it that is open", async () => {
    const world = worldOf();
    const [mine, other] = [await world.agent(), await world.agent()];
    const parent = await world.open(mine);
    const elsewhere = await world.open(mine);
    const child = await world.openChild(other, parent);
    expect(child).toMatchObject({ parentStepId: parent.stepId, depth: 1 });
    const { runId } = parent;
    const below = (parentStepId: string) => world.ledger.perform(world.openAct(other, { runId, parentStepId }));
    expect(await below(elsewhere.stepId)).toEqual(refusal("NOT_ENTITLED"));
    await world.close(parent);
    expect(await below(parent.stepId)).toEqual(refusal("NOT_ENTITLED"));
  });

  test("nothing is opened on an entry that is disabled, or has changed since it was decided on", async () => {
    const world = worldOf();
    const agent = await world.agent();
    const open = (revision: number) =>
      world.ledger.perform(world.openAct(agent, {}, { decidedOn: decidedOn({ entryId: agent.entryId, revision }) }));
    done(await world.put(agent, 1));
    expect(await open(1)).toEqual(refusal("DECISION_OUTDATED"));
    expect(await open(2)).toMatchObject({ kind: "opened" });
    done(await world.put({ ...agent, disabled: true }, 2));
    expect(await open(3)).toEqual(refusal("NOT_ENTITLED"));
  });

  test("nothing is opened on an entry that was removed or never was", async () => {
    const world = worldOf();
    const agent = await world.agent();
    const { ledger, clock } = world;
    const by = { kind: "broker", cause: "config" } as const;
    done(await ledger.perform({ act: "retire-entry", entryId: agent.entryId, by, now: clock.now() }));
    expect(await ledger.perform(world.openAct(agent))).toEqual(refusal("NOT_ENTITLED"));
    const onNone = decidedOn({ entryId: "entry_none", revision: 1 });
    expect(await ledger.perform(world.openAct(await world.agent(), {}, { decidedOn: onNone }))).toEqual(
      refusal("NOT_ENTITLED"),
    );
  });

  test("a child neither outlives its parent nor is opened below one that is closed or unknown", async () => {
    const world = worldOf();
    const agent = await world.agent();
    const parent = await world.open(agent);
    const child = (own: Partial<OpenedStep>) =>
      world.ledger.perform(world.openAct(agent, { runId: parent.runId, parentStepId: parent.stepId, ...own }));
    expect(await child({ expiresAt: addSeconds(parent.expiresAt, 1) })).toEqual(refusal("DELEGATION_REFUSED"));
    expect(await child({ expiresAt: parent.expiresAt })).toMatchObject({ kind: "opened" });
    expect(await child({ parentStepId: "step_none" })).toEqual(refusal("DELEGATION_REFUSED"));
    await world.close(parent);
    expect(await child({})).toEqual(refusal("DELEGATION_REFUSED"));
  });

  test("a step can't be opened below the very step that it would close", async () => {
    const world = worldOf();
    const agent = await world.agent();
    const first = await world.open(agent);
    const between = await world.openChild(agent, first);
    const { runId, step } = first;
    for (const parent of [first, between]) {
      const own = { runId, step, attempt: 2, parentStepId: parent.stepId };
      const result = await world.ledger.perform(world.openAct(agent, own, { supersedes: true }));
      expect(result).toEqual(refusal("DELEGATION_REFUSED"));
    }
    expect(await world.step(first.stepId)).toEqual(first);
  });

  test("an attempt follows only once the one before is closed, or closes it where it says so", async () => {
    const world = worldOf();
    const agent = await world.agent();
    const first = await world.open(agent);
    const child = await world.openChild(agent, first);
    await world.issue(child);
    const { runId, step } = first;
    const attempt = (number: number, supersedes: boolean) =>
      world.ledger.perform(world.openAct(agent, { runId, step, attempt: number }, { supersedes }));

    expect(await attempt(2, false)).toEqual(refusal("STEP_EXISTS"));
    expect(await attempt(1, true)).toEqual(refusal("STALE_ATTEMPT"));
    // Gaps are allowed.
    const before = world.ledger.head().sequence;
    // Its decision, the close of the older attempt, and the opening.
    expect(await attempt(7, true)).toEqual({ kind: "opened", sequence: before + 3 });
    const state = { state: "SUPERSEDED", closeReason: "superseded", closedSequence: before + 2 };
    expect(await world.step(first.stepId)).toMatchObject(state);
    expect(await world.step(child.stepId)).toMatchObject(state);
    expect(await attempt(7, false)).toEqual(refusal("STEP_EXISTS"));
    await world.close(present(await world.store.steps.newestAttempt(runId, step)));
    expect(await attempt(7, false)).toEqual(refusal("STALE_ATTEMPT"));
    expect(await attempt(8, false)).toMatchObject({ kind: "opened" });
    const newest = present(await world.store.steps.newestAttempt(runId, step));
    expect(newest.attempt).toBe(8);
  });

  test("an entry has no more open steps than it may, and a retry does not count twice", async () => {
    const world = worldOf();
    const agent = await world.agent();
    const oneMore = () => world.ledger.perform(world.openAct(agent, {}, { openStepsMax: 2 }));
    const first = await world.open(agent, {}, { openStepsMax: 2 });
    await world.open(agent, {}, { openStepsMax: 2 });
    expect(await oneMore()).toEqual(refusal("LIMIT_EXCEEDED"));
    const retry = { runId: first.runId, step: first.step, attempt: 2 };
    const second = await world.open(agent, retry, { supersedes: true, openStepsMax: 2 });
    expect(await oneMore()).toEqual(refusal("LIMIT_EXCEEDED"));
    await world.close(second);
    expect(await oneMore()).toMatchObject({ kind: "opened" });
  });

  test("a process executes no more open steps than it may, whoever opened them", async () => {
    const world = worldOf();
    const agent = await world.agent();
    const executor = { kind: "process", process: processOf(42) } as const;
    const tree = { kind: "tree", process: executor.process } as const;
    const opening = Array.from({ length: LIMITS.openStepsPerExecutorDefault }, (_, index) =>
      world.open(agent, { executor: index % 2 === 0 ? executor : tree }),
    );
    const [first] = await Promise.all(opening);
    const other = await world.agent();
    const oneMore = () => world.ledger.perform(world.openAct(other, { executor }));
    expect(await oneMore()).toEqual(refusal("LIMIT_EXCEEDED"));
    expect(await world.ledger.perform(world.openAct(other, { executor: tree }))).toEqual(refusal("LIMIT_EXCEEDED"));
    // The entry of another agent may allow more.
    const allowed = { executorOpenStepsMax: LIMITS.openStepsPerExecutorDefault + 1 };
    await world.close(await world.open(other, { executor }, allowed));
    const any = world.openAct(other, { executor: { kind: "any" } });
    expect(await world.ledger.perform(any)).toMatchObject({ kind: "opened" });
    await world.close(present(first));
    expect(await oneMore()).toMatchObject({ kind: "opened" });
  });

  test("a retry frees the place of the attempt that it closes, for its own entry and its own executor alone", async () => {
    const world = worldOf();
    const [agent, runtime] = [await world.agent(), await world.runtime()];
    const executor = { kind: "process", process: processOf(43) } as const;
    const opening = Array.from({ length: LIMITS.openStepsPerExecutorDefault - 1 }, () =>
      world.open(agent, { executor }),
    );
    await Promise.all(opening);
    const elsewhere = await world.open(agent);
    const last = await world.open(agent, { executor });
    const retry = ({ runId, step }: Step, own: Partial<OpenedStep>, act: Partial<OpenStepAct> = {}) =>
      world.ledger.perform(world.openAct(agent, { runId, step, attempt: 2, ...own }, { supersedes: true, ...act }));
    // The place that it frees is another executor's.
    expect(await retry(elsewhere, { executor })).toEqual(refusal("LIMIT_EXCEEDED"));
    expect(await retry(last, { executor })).toMatchObject({ kind: "opened" });

    const own = { openerEntryId: runtime.entryId } as const;
    const parent = await world.open(agent, own);
    const child = await world.openChild(agent, parent, { openerEntryId: agent.entryId });
    const full = { ...own, runId: parent.runId, parentStepId: parent.stepId };
    // The runtime has one step open, and what it would close is the agent's.
    expect(await retry(child, full, { openStepsMax: 1 })).toEqual(refusal("LIMIT_EXCEEDED"));
    expect(await retry(child, full, { openStepsMax: 2 })).toMatchObject({ kind: "opened" });
  });

  test("a refusal of an attempt names the newest there is", async () => {
    const world = worldOf();
    const agent = await world.agent();
    const { runId, step } = await world.open(agent, { attempt: 3 });
    for (const [attempt, supersedes] of [
      [4, false],
      [2, true],
    ] as const) {
      const act = world.openAct(agent, { runId, step, attempt }, { supersedes });
      expect(await world.ledger.perform(act)).toMatchObject({ metadata: { attempt: "3" } });
    }
  });

  test("a retry may be opened below a step that it does not close", async () => {
    const world = worldOf();
    const agent = await world.agent();
    const parent = await world.open(agent);
    const { runId, step } = await world.openChild(agent, parent);
    const again = { runId, step, attempt: 2, parentStepId: parent.stepId };
    const act = world.openAct(agent, again, { supersedes: true });
    expect(await world.ledger.perform(act)).toMatchObject({ kind: "opened" });
  });

  test("a step must have some time left, to the second", async () => {
    const world = worldOf();
    const agent = await world.agent();
    const now = secondsOf(world.clock.now());
    const left = (seconds: number) =>
      world.ledger.perform(world.openAct(agent, { expiresAt: addSeconds(now, seconds) }));
    expect(await left(LIMITS.stepSecondsLeftMin - 1)).toEqual(refusal("STEP_EXPIRING"));
    expect(await left(Number.NaN)).toEqual(refusal("STEP_EXPIRING"));
    expect(await left(LIMITS.stepSecondsLeftMin)).toMatchObject({ kind: "opened" });
  });

  test("the guards come in the order of the port: the first that fails answers", async () => {
    const world = worldOf();
    const agent = await world.agent();
    const [barred, other] = [await world.open(agent), await world.open(await world.agent())];
    await world.close({ kind: "run", runId: barred.runId }, { state: "REVOKED" });
    const expired = { expiresAt: secondsOf(world.clock.now()), parentStepId: "step_none" };
    const stale = decidedOn({ entryId: agent.entryId, revision: 9 });
    const codeOf = async (own: Partial<OpenedStep>, act: Partial<OpenStepAct>) => {
      const result = await world.ledger.perform(world.openAct(agent, own, { openStepsMax: 0, ...act }));
      return result.kind === "denial" ? result.code : result.kind;
    };
    expect(await codeOf({ ...expired, runId: barred.runId }, { decidedOn: stale })).toBe("NOT_ENTITLED");
    expect(await codeOf({ ...expired, runId: other.runId }, { decidedOn: stale })).toBe("NOT_ENTITLED");
    expect(await codeOf(expired, { decidedOn: stale })).toBe("DECISION_OUTDATED");
    expect(await codeOf(expired, {})).toBe("DELEGATION_REFUSED");
    const mine = await world.open(agent);
    const same = { expiresAt: expired.expiresAt, runId: mine.runId, step: mine.step };
    expect(await codeOf({ ...same, attempt: 2 }, {})).toBe("STEP_EXISTS");
    expect(await codeOf({ ...same, attempt: 2 }, { supersedes: true })).toBe("LIMIT_EXCEEDED");
    expect(await codeOf({ ...same, attempt: 2 }, { supersedes: true, openStepsMax: 100 })).toBe("STEP_EXPIRING");
  });

  test("of many who open one attempt at once, exactly one does", async () => {
    const world = worldOf();
    const agent = await world.agent();
    const name = { runId: world.name(), step: world.name() };
    const acts = Array.from({ length: 40 }, (_, index) =>
      world.openAct(agent, { ...name, opener: processOf(100 + index) }, { supersedes: index % 2 === 0 }),
    );
    const results = await Promise.all(acts.map((act) => world.ledger.perform(act)));
    expect(results.filter((result) => result.kind === "opened")).toHaveLength(1);
    const history = await world.store.history.steps({ ...name, limit: 100 });
    expect(history.map((step) => step.state)).toEqual(["OPEN"]);
  });

  test("of many who retry at once, one attempt is open and every other was superseded", async () => {
    const world = worldOf();
    const agent = await world.agent();
    const name = { runId: world.name(), step: world.name() };
    const acts = Array.from({ length: 30 }, (_, index) =>
      world.openAct(agent, { ...name, attempt: index + 1 }, { supersedes: true }),
    );
    const results = await Promise.all(acts.map((act) => world.ledger.perform(act)));
    expect(results.every((result) => result.kind === "opened")).toBe(true);
    const states = (await world.store.history.steps({ ...name, limit: 100 })).map((step) => step.state);
    expect(states[0]).toBe("OPEN");
    expect(new Set(states.slice(1))).toEqual(new Set(["SUPERSEDED"]));
  });

  test("a step is held once and stays so; a lease begins anew with every renewal", async () => {
    const world = worldOf();
    const agent = await world.agent();
    const { ledger, clock } = world;
    const step = await world.open(agent, { leaseSeconds: 10 });
    const { stepId } = step;
    const held = await ledger.perform({ act: "hold-step", stepId, now: clock.now() });
    const { sequence } = ledger.head();
    expect(held).toEqual({ kind: "sequenced", sequence });
    expect(await world.step(stepId)).toEqual({ ...step, held: true });
    const nothing = { kind: "sequenced", sequence: 0 };
    expect(await ledger.perform({ act: "hold-step", stepId, now: clock.now() })).toEqual(nothing);
    expect(ledger.head().sequence).toBe(sequence);

    clock.advance(7_000);
    const renewed = await ledger.perform({ act: "renew-step", stepId, now: clock.now() });
    expect(renewed).toEqual({ kind: "sequenced", sequence: sequence + 1 });
    const leaseExpiresAt = addMicros(clock.now(), 10_000_000);
    expect(await world.step(stepId)).toEqual({ ...step, held: true, leaseExpiresAt });
  });

  test("what is closed, unknown or has no lease can be neither held nor renewed", async () => {
    const world = worldOf();
    const agent = await world.agent();
    const now = world.clock.now();
    const without = await world.open(agent);
    const closed = await world.open(agent, { leaseSeconds: 10 });
    await world.close(closed, { state: "FAILED" });
    for (const act of ["hold-step", "renew-step"] as const) {
      const { ledger } = world;
      expect(await ledger.perform({ act, stepId: "step_none", now })).toEqual(refusal("STEP_NOT_FOUND"));
      expect(await ledger.perform({ act, stepId: closed.stepId, now })).toMatchObject({
        code: "STEP_CLOSED",
        metadata: { state: "FAILED" },
      });
    }
    const renewed = await world.ledger.perform({ act: "renew-step", stepId: without.stepId, now });
    expect(renewed).toEqual(refusal("INVALID_FIELD"));
  });
}
