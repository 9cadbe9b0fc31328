import { decodeJwt } from "jose";
import { describe, expect, test } from "vitest";
import { isDenial } from "../../src/domain/errors.ts";
import type { GrantElement } from "../../src/domain/grant.ts";
import { done } from "../contract/ledger-world.ts";
import { OPERATOR } from "../simulation/broker.ts";
import { approvalScene, HELD } from "./approval-scene.ts";
import { delegationScene } from "./delegation-scene.ts";
import { FILES, pathScene, READ, SEARCH, segment, WRITE } from "./path-scene.ts";

const [OLD, NEXT] = ["1a".repeat(32), "2b".repeat(32)];
const only = (definition_sha256: string, element: GrantElement = READ) => ({ ...element, definition_sha256 });

type Scene = Pick<Awaited<ReturnType<typeof pathScene>>, "store" | "clock">;

async function show({ store, clock }: Scene, sha256: string, { locations, identifier: tool }: GrantElement = READ) {
  const tools = [{ tool, sha256, definition: `{"name":"${tool}"}` }];
  const [location = ""] = locations;
  const act = { act: "report-tools", location, tools, pinsFirst: true, by: OPERATOR } as const;
  await store.ledger.perform({ ...act, now: clock.now() });
}

async function accept({ store, clock }: Scene, sha256: string) {
  const by = { kind: "operator", entryId: "entry_operator", uid: 0 } as const;
  const act = { act: "accept-tool", location: SEARCH, tool: "search", sha256, reason: "r", by } as const;
  done(await store.ledger.perform({ ...act, now: clock.now() }));
}

const SELF = { kind: "self" } as const;

function claimsOf([svid]: Awaited<ReturnType<Awaited<ReturnType<typeof pathScene>>["openAndIssue"]>>["svids"]) {
  if (svid === undefined || isDenial(svid)) throw new TypeError("no token");
  return decodeJwt(Buffer.from(svid.svid).toString("latin1"));
}

let runs = 0;
const ownRun = () => {
  runs += 1;
  return { runId: segment(`run-${runs}`) };
};

describe("a step is granted a tool as it is pinned when the step is opened", () => {
  test("the digest is in the step, in its decision and in its tokens, and the scope no longer names the tool", async () => {
    const scene = await pathScene();
    await show(scene, OLD);
    const wanted = [{ kind: "jwt-svid", audiences: [SEARCH] }] as const;
    const { step, svids } = await scene.openAndIssue(scene.researcher, { ...ownRun(), executor: SELF }, wanted);
    expect(step.grant).toEqual([only(OLD)]);
    const [decision] = await scene.store.history.decisions({ limit: 1 });
    expect(decision).toMatchObject({ requested: [only(OLD)], granted: [only(OLD)], refused: [] });
    const claims = claimsOf(svids);
    expect(claims["authorization_details"]).toEqual([only(OLD)]);
    expect(claims["scope"]).toBeUndefined();
  });

  test("what nobody has reported is granted as it was asked for, as ever", async () => {
    const scene = await pathScene();
    await show(scene, OLD);
    expect((await scene.open(scene.runtime, { ...ownRun(), grant: [WRITE] })).grant).toEqual([WRITE]);
  });

  test("a change alone changes nothing for the next step; once it is accepted, it is for that one", async () => {
    const scene = await pathScene();
    await show(scene, OLD);
    await show(scene, NEXT);
    expect((await scene.open(scene.runtime, ownRun())).grant).toEqual([only(OLD)]);
    await accept(scene, NEXT);
    expect((await scene.open(scene.runtime, ownRun())).grant).toEqual([only(NEXT)]);
  });

  test("neither any tool nor a tool at several servers is stamped, nor one that is asked for with a digest", async () => {
    const scene = await pathScene();
    await scene.enter({
      ...({ kind: "agent", name: "wide", selectors: ["unix:uid:34"], mayOpen: true, allowAnyExecutor: true } as const),
      ceiling: [{ ...READ, identifier: "*", locations: ["*"] }],
    });
    const process = scene.kernel.start(34);
    await show(scene, OLD);
    const grant = [{ ...READ, identifier: "*" }, { ...READ, locations: [SEARCH, FILES] }, only(NEXT)];
    const step = await scene.open(process, { ...ownRun(), agent: segment("wide"), grant });
    expect(step.grant).toEqual(grant);
  });

  test("where a token would have no room for so many digests, no element is stamped", async () => {
    const scene = await pathScene();
    await scene.enter({
      ...({ kind: "agent", name: "wide", selectors: ["unix:uid:34"], mayOpen: true, allowAnyExecutor: true } as const),
      ceiling: [{ ...READ, identifier: "*" }],
    });
    const process = scene.kernel.start(34);
    const tools = Array.from({ length: 17 }, (_, index) => ({ ...READ, identifier: `tool-${index}` }));
    for (const tool of tools) await show(scene, OLD, tool);
    const opened = async (count: number) =>
      (await scene.open(process, { ...ownRun(), agent: segment("wide"), grant: tools.slice(0, count) })).grant;
    expect(await opened(16)).toEqual(tools.slice(0, 16).map((tool) => only(OLD, tool)));
    expect(await opened(17)).toEqual(tools);
  });

  test("a ceiling can be for one definition, and permits no other", async () => {
    const scene = await pathScene();
    await scene.enter({
      ...({
        kind: "agent",
        name: "strict",
        selectors: ["unix:uid:34"],
        mayOpen: true,
        allowAnyExecutor: true,
      } as const),
      ceiling: [only(OLD)],
    });
    const process = scene.kernel.start(34);
    const strict = { agent: segment("strict") };
    expect((await scene.open(process, { ...ownRun(), ...strict })).grant).toEqual([only(OLD)]);
    await expect(scene.open(process, { ...ownRun(), ...strict, grant: [only(NEXT)] })).rejects.toMatchObject({
      code: "POLICY_DENIED",
    });
  });
});

describe("what is passed on is for no other definition", () => {
  test("a child gets its parent's, also once another is pinned, and need not name it", async () => {
    const scene = await pathScene();
    await show(scene, OLD);
    const parent = await scene.open(scene.runtime, ownRun());
    await show(scene, NEXT);
    await accept(scene, NEXT);
    const below = { runId: parent.runId, step: segment("child"), parentStepId: parent.stepId };
    expect((await scene.open(scene.runtime, below)).grant).toEqual([only(OLD)]);
    const other = { ...below, step: segment("other"), grant: [only(NEXT)] };
    await expect(scene.open(scene.runtime, other)).rejects.toMatchObject({ code: "DELEGATION_REFUSED" });
  });

  test("nor by a token that passes on a part", async () => {
    const scene = await delegationScene();
    await show(scene, OLD);
    const parent = await scene.open(scene.runtime, { ...ownRun(), grant: [READ, WRITE] });
    const token = await scene.tokenOf(parent, { grant: [READ] });
    await show(scene, NEXT);
    await accept(scene, NEXT);
    expect((await scene.openChild(scene.receiver, token)).grant).toEqual([only(OLD)]);
  });

  test("a token for less than the step has is asked for without the digest", async () => {
    const scene = await pathScene();
    await show(scene, OLD);
    const grant = [{ ...READ, locations: [SEARCH] }];
    const wanted = [{ kind: "jwt-svid", audiences: [SEARCH], grant }] as const;
    const { svids } = await scene.openAndIssue(scene.researcher, { ...ownRun(), executor: SELF }, wanted);
    const claims = claimsOf(svids);
    expect(claims["authorization_details"]).toEqual([only(OLD)]);
  });

  test("what an operator approves is the definition that was pinned when it was asked for", async () => {
    const scene = await approvalScene();
    const [held] = HELD;
    if (held === undefined) throw new TypeError("nothing is held back");
    await show(scene, OLD, held);
    const waiting = await scene.ask(HELD);
    expect(waiting.grant).toEqual([only(OLD, held)]);
    const digest = waiting.approval?.requestDigest;
    expect(digest).toMatch(/^[0-9a-f]{64}$/);
    await show(scene, NEXT, held);
    expect((await scene.store.steps.step(waiting.stepId))?.grant).toEqual([only(OLD, held)]);
  });
});
