import { describe, expect, test } from "vitest";
import { LIMITS } from "../../src/domain/limits.ts";
import { remoteProcess } from "../../src/domain/process.ts";
import { addSeconds, secondsOf } from "../../src/domain/time.ts";
import { termsOf } from "../../src/open/terms.ts";
import { OPERATOR } from "../simulation/broker.ts";
import { FILES, MCP, pathScene, segment } from "./path-scene.ts";

const refused = (code: string) => expect.objectContaining({ code });

test("delegation goes eight levels deep, and no deeper", async () => {
  const { openForAudiences, runtime, store } = await pathScene();
  let parent = await openForAudiences(runtime);
  for (let depth = 1; depth <= 8; depth += 1) {
    parent = await openForAudiences(runtime, { parentStepId: parent.stepId });
    expect(parent.depth).toBe(depth);
  }
  const { sequence } = store.ledger.head();
  await expect(openForAudiences(runtime, { parentStepId: parent.stepId })).rejects.toMatchObject({
    code: "LIMIT_EXCEEDED",
  });
  expect(store.ledger.head().sequence).toBe(sequence);
});

describe("the audiences of a step", () => {
  test("are among those of its agent", async () => {
    const { openForAudiences, runtime } = await pathScene();
    expect((await openForAudiences(runtime, { audiences: [FILES] })).audiences).toEqual([FILES]);
    await expect(openForAudiences(runtime, { audiences: [MCP, "https://elsewhere.example"] })).rejects.toEqual(
      refused("AUDIENCE_INVALID"),
    );
  });

  test("are among those of the step that it is delegated from", async () => {
    const { openForAudiences, runtime } = await pathScene();
    const { stepId: parentStepId } = await openForAudiences(runtime, { audiences: [MCP] });
    expect((await openForAudiences(runtime, { parentStepId, audiences: [MCP] })).audiences).toEqual([MCP]);
    await expect(openForAudiences(runtime, { parentStepId, audiences: [MCP, FILES] })).rejects.toEqual(
      refused("DELEGATION_REFUSED"),
    );
  });
});

describe("a step ends", () => {
  test("with the longest that its agent may have, though it asked for a second more, and not later", async () => {
    const { openForAudiences, runtime, clock } = await pathScene();
    const longest = addSeconds(secondsOf(clock.now()), 900);
    expect((await openForAudiences(runtime, { expiresAt: longest })).expiresAt).toBe(longest);
    expect((await openForAudiences(runtime, { expiresAt: addSeconds(longest, 1) })).expiresAt).toBe(longest);
    await expect(openForAudiences(runtime, { expiresAt: addSeconds(longest, 2) })).rejects.toMatchObject({
      code: "INVALID_FIELD",
      metadata: { field: "expires_at" },
    });
  });

  test("no later than the step that it is delegated from, asked or not", async () => {
    const { openForAudiences, runtime, clock } = await pathScene();
    const { stepId: parentStepId, expiresAt } = await openForAudiences(runtime, {
      expiresAt: addSeconds(secondsOf(clock.now()), 60),
    });
    expect((await openForAudiences(runtime, { parentStepId })).expiresAt).toBe(expiresAt);
    expect((await openForAudiences(runtime, { parentStepId, expiresAt })).expiresAt).toBe(expiresAt);
    await expect(openForAudiences(runtime, { parentStepId, expiresAt: addSeconds(expiresAt, 1) })).rejects.toEqual(
      refused("DELEGATION_REFUSED"),
    );
  });
});

test("nothing is delegated from a step that has ended", async () => {
  const { openForAudiences, runtime, broker } = await pathScene();
  const { stepId } = await openForAudiences(runtime);
  await broker.close(runtime, { stepId, outcome: "COMPLETED", awaitReceiptsMs: 0 });
  await expect(openForAudiences(runtime, { parentStepId: stepId })).rejects.toMatchObject({
    code: "DELEGATION_REFUSED",
    metadata: { state: "COMPLETED" },
  });
});

describe("who opens", () => {
  test("is a runtime for its agents, an agent that may for itself, an administrator for any; each by the entry that says so", async () => {
    const { runtime, researcher, operator, entries, openForAudiences } = await pathScene();
    const openers = [
      [runtime, entries.flow],
      [researcher, entries.researcher],
      [operator, entries.alice],
    ] as const;
    for (const [by, { entryId }] of openers) expect((await openForAudiences(by)).openerEntryId).toBe(entryId);
  });

  test("is nobody else, and whoever may not is not told whether there is such an agent", async () => {
    const { writer, kernel, enter, openForAudiences } = await pathScene();
    await enter({ kind: "agent", name: "mute", selectors: ["unix:uid:41"], ceiling: [] });
    await enter({ kind: "runtime", name: "other", selectors: ["unix:uid:12"], agents: ["writer"] });
    await enter({ kind: "operator", name: "bob", selectors: ["unix:uid:52"], role: "approver" });
    const asked = [
      [writer, "researcher"],
      [kernel.start(12), "researcher"],
      [kernel.start(12), "nobody"],
      [kernel.start(41), "mute"],
      [kernel.start(52), "researcher"],
    ] as const;
    for (const [by, agent] of asked) {
      await expect(openForAudiences(by, { agent: segment(agent) })).rejects.toMatchObject({ code: "NOT_ENTITLED" });
    }
  });

  test("is told of an agent that there is not, and opens nothing for one that is disabled", async () => {
    const { broker, operator, runtime, openForAudiences } = await pathScene();
    await expect(openForAudiences(operator, { agent: segment("nobody") })).rejects.toMatchObject({
      code: "ENTRY_NOT_FOUND",
    });
    await broker.registry.disable("agent/researcher", OPERATOR);
    await expect(openForAudiences(runtime)).rejects.toMatchObject({
      code: "NOT_ENTITLED",
      message: expect.stringContaining("disabled"),
    });
  });
});

describe("who may delegate from a step", () => {
  test("is its opener, and the process that executes it", async () => {
    const { kernel, runtime, researcher, writer, openForAudiences } = await pathScene();
    const executor = { kind: "pid", pid: researcher.process.pid } as const;
    const { stepId: parentStepId } = await openForAudiences(runtime, { executor });
    expect((await openForAudiences(runtime, { parentStepId })).depth).toBe(1);
    expect((await openForAudiences(researcher, { parentStepId })).depth).toBe(1);
    await expect(openForAudiences(kernel.start(31), { parentStepId })).rejects.toEqual(refused("DELEGATION_REFUSED"));
    await expect(openForAudiences(writer, { agent: segment("writer"), parentStepId })).rejects.toEqual(
      refused("DELEGATION_REFUSED"),
    );
    await expect(openForAudiences(runtime, { parentStepId: "step_none" })).rejects.toEqual(
      refused("DELEGATION_REFUSED"),
    );
  });
});

describe("who may delegate from a step that a tree of processes executes", () => {
  test("is what runs below the executor and matches the agent's entry, and not what runs there as somebody else", async () => {
    const { broker, enter, kernel, operator, attested, requestOf, openForAudiences } = await pathScene();
    const selectors = ["unix:uid:36"];
    await enter({
      kind: "agent",
      name: "shell",
      selectors,
      ceiling: [],
      audiences: [MCP, FILES],
      allowExecutorTree: true,
    });
    await enter({ kind: "runtime", name: "other", selectors: ["unix:uid:12"], agents: ["researcher"] });
    const { process } = kernel.start(36);
    const executor = { kind: "tree", pid: process.pid } as const;
    const { stepId: parentStepId } = await openForAudiences(operator, { agent: segment("shell"), executor });
    await enter({ kind: "runtime", name: "own", selectors, agents: ["researcher"] });
    const terms = async (uid: number) => {
      const below = { ...(await attested(kernel.start(uid))), ancestors: () => [process] };
      return termsOf(below, requestOf({ grant: [], parentStepId }), broker.ports);
    };
    expect((await terms(36)).parent?.stepId).toBe(parentStepId);
    await expect(terms(12)).rejects.toEqual(refused("DELEGATION_REFUSED"));
  });
});

describe("the executor of a step", () => {
  test("is the opener's own process, which must match the agent's entry", async () => {
    const { runtime, researcher, openForAudiences } = await pathScene();
    const { executor } = await openForAudiences(researcher, { executor: { kind: "self" } });
    expect(executor).toEqual({ kind: "process", process: researcher.process });
    await expect(openForAudiences(runtime, { executor: { kind: "self" } })).rejects.toEqual(refused("NOT_ENTITLED"));
  });

  test("is the live process with the pid that was named, which must match the agent's entry", async () => {
    const { runtime, researcher, writer, openForAudiences } = await pathScene();
    const pid = (process: typeof researcher) => ({ executor: { kind: "pid", pid: process.process.pid } }) as const;
    const { executor } = await openForAudiences(runtime, pid(researcher));
    expect(executor).toEqual({ kind: "process", process: researcher.process });
    await expect(openForAudiences(runtime, pid(writer))).rejects.toEqual(refused("NOT_ENTITLED"));
    await expect(openForAudiences(runtime, { executor: { kind: "pid", pid: 99_999 } })).rejects.toEqual(
      refused("EXECUTOR_GONE"),
    );
  });

  test("that has yet to start its program need not match the agent's executable by then", async () => {
    const { enter, kernel, operator, openForAudiences } = await pathScene();
    const selectors = ["unix:uid:34", "unix:path:/usr/bin/agent"];
    await enter({ kind: "agent", name: "compiled", selectors, ceiling: [], audiences: [MCP, FILES] });
    const { process } = kernel.start(34);
    const agent = segment("compiled");
    const { executor } = await openForAudiences(operator, { agent, executor: { kind: "pid", pid: process.pid } });
    expect(executor).toEqual({ kind: "process", process });
    const other = kernel.start(35).process.pid;
    await expect(openForAudiences(operator, { agent, executor: { kind: "pid", pid: other } })).rejects.toEqual(
      refused("NOT_ENTITLED"),
    );
  });

  test("is any process of the agent only where the agent's entry allows that", async () => {
    const { enter, operator, openForAudiences } = await pathScene();
    await enter({ kind: "agent", name: "bound", selectors: ["unix:uid:34"], ceiling: [], audiences: [MCP, FILES] });
    await expect(
      openForAudiences(operator, { agent: segment("bound"), executor: { kind: "any" } }),
    ).rejects.toMatchObject({ code: "INVALID_FIELD", metadata: { field: "executor" } });
  });

  test("over a network is neither the opener's process nor one named by its pid", async () => {
    const { attested, entries, researcher, requestOf, broker } = await pathScene();
    const caller = { ...(await attested(researcher)), process: remoteProcess(entries.researcher.entryId) };
    for (const executor of [{ kind: "self" }, { kind: "pid", pid: researcher.process.pid }] as const) {
      await expect(termsOf(caller, requestOf({ executor }), broker.ports)).rejects.toMatchObject({
        code: "INVALID_FIELD",
        metadata: { field: "executor" },
      });
    }
  });
});

test("a runtime may have as many steps open as its entry says, any other opener as many as is usual", async () => {
  const { attested, operator, kernel, enter, requestOf, broker } = await pathScene();
  const own = { selectors: ["unix:uid:12"], agents: ["researcher"], openStepsMax: 7 };
  await enter({ kind: "runtime", name: "small", ...own });
  const maxOf = async (by: typeof operator) =>
    (await termsOf(await attested(by), requestOf(), broker.ports)).openStepsMax;
  expect(await maxOf(kernel.start(12))).toBe(7);
  expect(await maxOf(operator)).toBe(LIMITS.openStepsPerRuntimeDefault);
});

test("a step that asks for no end of its own has the usual one, or its agent's longest if that is shorter", async () => {
  const { enter, operator, clock, openForAudiences } = await pathScene();
  const now = secondsOf(clock.now());
  expect((await openForAudiences(operator)).expiresAt).toBe(now + LIMITS.stepSecondsDefault);
  const own = { selectors: ["unix:uid:34"], ceiling: [], audiences: [MCP, FILES], allowAnyExecutor: true };
  await enter({ kind: "agent", name: "brief", stepSecondsMax: 60, ...own });
  expect((await openForAudiences(operator, { agent: segment("brief") })).expiresAt).toBe(now + 60);
});
