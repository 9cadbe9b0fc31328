import { decodeJwt } from "jose";
import { describe, expect, test } from "vitest";
import { type Denial, isDenial } from "../../src/domain/errors.ts";
import type { Delivery } from "../../src/domain/stages.ts";
import type { SvidOrder } from "../../src/issue/entitle.ts";
import { issueSvids } from "../../src/issue/issue-svids.ts";
import type { RecordIssuanceItem } from "../../src/ports/issuance-acts.ts";
import { FILES, MCP, pathScene, READ, SEARCH, segment, WRITE } from "../open/path-scene.ts";

test("a token names each of its audiences once: an order that repeats one is refused, and the others of the batch are not", async () => {
  const { broker, researcher, runtime, openForAudiences } = await pathScene();
  const { stepId } = await openForAudiences(runtime);
  const [repeated, several] = await broker.issue(researcher, {
    stepId,
    wanted: [
      { kind: "jwt-svid", audiences: [MCP, FILES, MCP] },
      { kind: "jwt-svid", audiences: [MCP, FILES] },
    ],
  });
  expect(repeated).toMatchObject({ kind: "denial", code: "AUDIENCE_INVALID" });
  expect(several).toMatchObject({ kind: "jwt-svid" });
  if (several?.kind !== "jwt-svid") return;
  expect(decodeJwt(Buffer.from(several.svid).toString("latin1")).aud).toEqual([MCP, FILES]);
});

const JWT = { kind: "jwt-svid", audiences: [MCP] } as const;
const refusal = (code: string, own: object = {}) => expect.objectContaining({ kind: "denial", code, ...own });

/** A step of the runtime that the researcher's process executes. */
async function executedScene() {
  const scene = await pathScene();
  const executor = { kind: "pid", pid: scene.researcher.process.pid } as const;
  const step = await scene.open(scene.runtime, { executor, audiences: [MCP] });
  return { ...scene, step };
}

describe("an order for one's own step", () => {
  test("is for the step's executor alone: another process of the agent, or another agent, is issued nothing", async () => {
    const { broker, kernel, writer, step } = await executedScene();
    for (const stranger of [kernel.start(31), writer]) {
      await expect(broker.issue(stranger, { stepId: step.stepId, wanted: [JWT] })).rejects.toMatchObject({
        code: "NOT_ENTITLED",
      });
    }
  });

  test("is refused once the executor runs another program than the one first issued to", async () => {
    const { broker, attested, researcher, step } = await executedScene();
    await broker.issue(researcher, { stepId: step.stepId, wanted: [JWT] });
    const other = { ...(await attested(researcher)), executable: "/usr/bin/another" };
    await expect(issueSvids(other, { stepId: step.stepId, wanted: [JWT] }, broker.ports)).rejects.toMatchObject({
      code: "EXECUTOR_GONE",
    });
    expect(await broker.issue(researcher, { stepId: step.stepId, wanted: [JWT] })).toEqual([
      expect.objectContaining({ kind: "jwt-svid" }),
    ]);
  });

  test("names a step that there is, and that is open", async () => {
    const { broker, runtime, researcher, step } = await executedScene();
    await expect(broker.issue(researcher, { stepId: "step_none", wanted: [JWT] })).rejects.toMatchObject({
      code: "STEP_NOT_FOUND",
    });
    await broker.close(runtime, { stepId: step.stepId, outcome: "FAILED", awaitReceiptsMs: 0 });
    await expect(broker.issue(researcher, { stepId: step.stepId, wanted: [JWT] })).rejects.toMatchObject({
      code: "STEP_CLOSED",
      metadata: { state: "FAILED" },
    });
  });

  test("spends of the step's rate what it asks for, and no more than that", async () => {
    const { issue, researcher, step } = await executedScene();
    for (const count of [60, 40]) expect(await issue(researcher, step.stepId, count)).toHaveLength(count);
    await expect(issue(researcher, step.stepId)).rejects.toMatchObject({ code: "LIMIT_EXCEEDED" });
  });
});

describe("an order of the opener's for the executor", () => {
  test("is refused once the executor has ended, and to whoever did not open the step", async () => {
    const { broker, kernel, runtime, researcher, writer, step } = await executedScene();
    const order = { stepId: step.stepId, wanted: [JWT], as: "opener" } as const;
    expect(await broker.issue(runtime, order)).toEqual([expect.objectContaining({ kind: "jwt-svid" })]);
    for (const stranger of [researcher, writer]) {
      await expect(broker.issue(stranger, order)).rejects.toMatchObject({ code: "NOT_ENTITLED" });
    }
    kernel.kill(researcher);
    await expect(broker.issue(runtime, order)).rejects.toMatchObject({ code: "EXECUTOR_GONE" });
  });

  test("is refused while the agent's entry is disabled", async () => {
    const { broker, runtime, entries, attested, openForAudiences } = await pathScene();
    const { stepId } = await openForAudiences(runtime);
    const caller = await attested(runtime);
    const disabled = { ...broker.ports, entries: { byId: () => ({ ...entries.researcher, disabled: true }) } };
    const removed = { ...broker.ports, entries: { byId: () => undefined } };
    for (const ports of [disabled, removed]) {
      await expect(issueSvids(caller, { stepId, wanted: [JWT], as: "opener" }, ports)).rejects.toMatchObject({
        code: "NOT_ENTITLED",
      });
    }
  });
});

describe("what is recorded of an order", () => {
  /** The items of every act that recorded issuances. */
  function recordedItems({ onAct }: Pick<Awaited<ReturnType<typeof pathScene>>, "onAct">) {
    const items: RecordIssuanceItem[] = [];
    onAct((act) => void (act.act === "record-issuances" && items.push(...act.items)));
    return items;
  }

  test("names the program that runs as executor; of an order of the opener's, the one that was pinned before", async () => {
    const scene = await executedScene();
    const { broker, runtime, researcher, step } = scene;
    const items = recordedItems(scene);
    const order = { stepId: step.stepId, wanted: [JWT] } as const;
    await broker.issue(runtime, { ...order, as: "opener" });
    await broker.issue(researcher, order);
    await broker.issue(runtime, { ...order, as: "opener" });
    const { executable } = researcher;
    expect(items.map((item) => item.executable)).toEqual([undefined, executable, executable]);
  });

  test("is decided on the agent's entry as it is, and is nothing where all of it is refused", async () => {
    const scene = await executedScene();
    const { broker, entries, researcher, step } = scene;
    const items = recordedItems(scene);
    const { entryId, revision } = entries.researcher;
    await broker.issue(researcher, { stepId: step.stepId, wanted: [JWT] });
    expect(items.map(({ decidedOn }) => decidedOn)).toEqual([{ entries: [{ entryId, revision }] }]);
    scene.onAct(({ act }) => expect(act).not.toBe("record-issuances"));
    await broker.issue(researcher, { stepId: step.stepId, wanted: [{ kind: "jwt-svid", audiences: [] }] });
  });

  test("for a step that any process of the agent executes, the opener orders too, and no program is named", async () => {
    const scene = await pathScene();
    const { stepId } = await scene.openForAudiences(scene.runtime);
    const items = recordedItems(scene);
    expect(await scene.broker.issue(scene.runtime, { stepId, wanted: [JWT], as: "opener" })).toEqual([
      expect.objectContaining({ kind: "jwt-svid" }),
    ]);
    expect(items.map((item) => item.executable)).toEqual([undefined]);
  });
});

describe("a token", () => {
  test("says what its presenter has to prove, for one audience and for several, and its record says so too", async () => {
    const { broker, store, clock, researcher, runtime, openForAudiences } = await pathScene();
    const { stepId } = await openForAudiences(runtime);
    const confirmation = { jkt: "a".repeat(43) };
    const answers = await broker.issue(researcher, {
      stepId,
      wanted: [
        { kind: "jwt-svid", audiences: [MCP], confirmation },
        { kind: "jwt-svid", audiences: [MCP], grant: [], confirmation },
        { kind: "jwt-svid", audiences: [MCP, FILES], confirmation },
        JWT,
      ],
    });
    for (const answer of answers.slice(0, 3)) expect(claimsOf(answer)).toMatchObject({ cnf: confirmation });
    expect(claimsOf(answers[3])).not.toHaveProperty("cnf");
    const rows = await store.history.issuances({ stepId, now: clock.now(), limit: 5 });
    expect(rows.map((row) => row.confirmation)).toEqual([undefined, confirmation, confirmation, confirmation]);
  });

  test("is for sixteen audiences at most, however many the step has", async () => {
    const { broker, enter, kernel, open } = await pathScene();
    const locations = Array.from({ length: 17 }, (_, number) => `https://mcp.example.org/${number}`);
    const wide = { ...READ, locations };
    const own = { selectors: ["unix:uid:33"], ceiling: [wide], mayOpen: true, allowMultipleAudiences: true };
    await enter({ kind: "agent", name: "wide", ...own });
    const agent = kernel.start(33);
    const { stepId } = await open(agent, { agent: segment("wide"), executor: { kind: "self" }, grant: [wide] });
    const answers = await broker.issue(agent, {
      stepId,
      wanted: [locations.slice(0, 16), locations].map((audiences) => ({ kind: "jwt-svid", audiences })),
    });
    expect(answers).toEqual([expect.objectContaining({ kind: "jwt-svid" }), refusal("AUDIENCE_INVALID")]);
  });

  test("is refused a grant that is too large to be recorded, and a refusal of many elements names as many as fit", async () => {
    const { broker, researcher, runtime, open } = await pathScene();
    const { stepId } = await open(runtime);
    const tools = (count: number) =>
      Array.from({ length: count }, (_, number) => ({ ...WRITE, locations: [SEARCH], identifier: `tool-${number}` }));
    const wantedOf = (count: number) => ({ kind: "jwt-svid", audiences: [SEARCH], grant: tools(count) }) as const;
    const answers = await broker.issue(researcher, { stepId, wanted: [wantedOf(400), wantedOf(60), wantedOf(1)] });
    expect(answers).toEqual([
      refusal("LIMIT_EXCEEDED", { message: expect.stringMatching(/^grant: at most/) }),
      refusal("GRANT_EXCEEDED", { message: expect.stringMatching(/… \(60 elements in all\)$/) }),
      refusal("GRANT_EXCEEDED", { message: expect.stringMatching(/tool-0[^…]*$/) }),
    ]);
    for (const answer of answers) {
      expect(answer !== undefined && isDenial(answer) ? answer.message.length : 0).toBeLessThan(1_200);
    }
  });

  test("needs an audience that the step was opened for", async () => {
    const { broker, researcher, step } = await executedScene();
    const answers = await broker.issue(researcher, {
      stepId: step.stepId,
      wanted: [
        { kind: "jwt-svid", audiences: [] },
        { kind: "jwt-svid", audiences: ["https://elsewhere.example"] },
        { kind: "jwt-svid", audiences: [MCP, "https://elsewhere.example"] },
        JWT,
      ],
    });
    expect(answers).toEqual([
      refusal("AUDIENCE_INVALID"),
      refusal("AUDIENCE_INVALID"),
      refusal("AUDIENCE_INVALID"),
      expect.objectContaining({ kind: "jwt-svid" }),
    ]);
  });

  test("is for several audiences only where the agent's entry allows that, and carries no grant then", async () => {
    const { broker, enter, kernel, open } = await pathScene();
    const own = { selectors: ["unix:uid:33"], ceiling: [READ], audiences: [MCP, FILES], mayOpen: true };
    await enter({ kind: "agent", name: "single", ...own });
    const single = kernel.start(33);
    const audiences = [MCP, FILES];
    const step = await open(single, { agent: segment("single"), executor: { kind: "self" }, audiences });
    expect(await broker.issue(single, { stepId: step.stepId, wanted: [{ kind: "jwt-svid", audiences }] })).toEqual([
      refusal("AUDIENCE_INVALID", { message: expect.stringContaining("one audience a token") }),
    ]);
  });

  test("for several audiences identifies and carries no grant, so none may be asked for", async () => {
    const { broker, researcher, runtime, open } = await pathScene();
    const { stepId } = await open(runtime, { audiences: [MCP, FILES] });
    const several = { kind: "jwt-svid", audiences: [SEARCH, MCP] } as const;
    const answers = await broker.issue(researcher, { stepId, wanted: [{ ...several, grant: [READ] }, several] });
    expect(answers).toEqual([refusal("AUDIENCE_INVALID"), expect.objectContaining({ kind: "jwt-svid" })]);
    expect(claimsOf(answers[1])).not.toHaveProperty("authorization_details");
  });

  test("carries what the step holds at its audience, or the part of it that was asked for, and nothing above", async () => {
    const { broker, researcher, runtime, open } = await pathScene();
    const both = { ...READ, actions: ["read", "write"] } as const;
    const { stepId } = await open(runtime, { grant: [READ, WRITE] });
    const answers = await broker.issue(researcher, {
      stepId,
      wanted: [
        { kind: "jwt-svid", audiences: [SEARCH] },
        { kind: "jwt-svid", audiences: [SEARCH], grant: [] },
        { kind: "jwt-svid", audiences: [SEARCH], grant: [both] },
        { kind: "jwt-svid", audiences: [SEARCH], grant: [WRITE] },
      ],
    });
    expect(claimsOf(answers[0])).toMatchObject({ authorization_details: [READ] });
    expect(claimsOf(answers[1])).not.toHaveProperty("authorization_details");
    expect(answers.slice(2)).toEqual([
      refusal("GRANT_EXCEEDED", { message: expect.stringContaining("write") }),
      refusal("GRANT_EXCEEDED"),
    ]);
  });
});

describe("a refusal to issue is on record", () => {
  test("with who asked for what of which step, and why not", async () => {
    const { broker, store, entries, researcher, runtime, open } = await pathScene();
    const step = await open(runtime);
    await broker.issue(researcher, {
      stepId: step.stepId,
      wanted: [{ kind: "jwt-svid", audiences: [SEARCH], grant: [WRITE] }],
    });
    expect(await store.history.decisions({ effect: "deny", limit: 2 })).toEqual([
      expect.objectContaining({
        act: "issue",
        effect: "deny",
        reason: "GRANT_EXCEEDED",
        callerEntryId: entries.researcher.entryId,
        agent: "researcher",
        runId: step.runId,
        step: step.step,
        attempt: step.attempt,
        stepId: step.stepId,
        requested: [WRITE],
        granted: [],
        determiningPolicies: [`grant:${step.decisionId}`],
      }),
    ]);
  });

  test("also where the whole order is refused, and not where nothing was decided", async () => {
    const { broker, store, writer, researcher, runtime, issue, open } = await pathScene();
    const step = await open(runtime);
    await expect(issue(writer, step.stepId)).rejects.toMatchObject({ code: "NOT_ENTITLED" });
    await expect(issue(researcher, step.stepId, 101)).rejects.toMatchObject({ code: "LIMIT_EXCEEDED" });
    await expect(broker.issue(researcher, { stepId: "step_none", wanted: [JWT] })).rejects.toBeDefined();
    await broker.issue(researcher, { stepId: step.stepId, wanted: [{ kind: "jwt-svid", audiences: [FILES] }] });
    const denials = await store.history.decisions({ effect: "deny", limit: 5 });
    expect(denials.map(({ reason }) => reason)).toEqual(["AUDIENCE_INVALID", "NOT_ENTITLED"]);
    // Neither asked for an element of a grant.
    for (const { requested } of denials) expect(requested).toEqual([]);
  });
});

function claimsOf(answer: Delivery | Denial | undefined) {
  if (answer === undefined || isDenial(answer)) throw new TypeError("refused");
  return decodeJwt(Buffer.from(answer.svid).toString("latin1"));
}

describe("an order for a transaction token", () => {
  const TXN = { kind: "txn-token", location: SEARCH } as const;

  async function grantedScene() {
    const { broker, researcher, runtime, open, store } = await pathScene();
    const executor = { kind: "pid", pid: researcher.process.pid } as const;
    const step = await open(runtime, { executor, audiences: [MCP], grant: [READ, WRITE] });
    const order = (...wanted: SvidOrder["wanted"]) => broker.issue(researcher, { stepId: step.stepId, wanted });
    return { order, step, store };
  }

  test("gives what the step may do at one location of its grant, for as long as a JWT-SVID, and is in the ledger", async () => {
    const { order, step, store } = await grantedScene();
    const [token, jwt] = (await order(TXN, { kind: "jwt-svid", audiences: [SEARCH] })) as readonly Delivery[];
    expect(token).toMatchObject({ kind: "txn-token", spiffeId: step.spiffeId, expiresAt: jwt?.expiresAt });
    const claims = decodeJwt(Buffer.from(token?.svid ?? []).toString("latin1"));
    expect(claims["tctx"]).toMatchObject({ location: SEARCH, authorization_details: [READ] });
    const row = await store.credentials.issuance({ jti: String(claims.jti) });
    expect(row).toMatchObject({ kind: "txn-token", audiences: [SEARCH], grant: [READ], issuanceId: token?.issuanceId });
  });

  test.for([
    { what: "for an audience where nothing is granted", wanted: { location: MCP }, is: "AUDIENCE_INVALID" },
    { what: "for a location of others", wanted: { location: "https://other.example" }, is: "AUDIENCE_INVALID" },
    { what: "for what is granted elsewhere", wanted: { grant: [WRITE] }, is: "GRANT_EXCEEDED" },
    { what: "for no grant at all", wanted: { grant: [] }, is: "INVALID_FIELD" },
  ])("is refused $what", async ({ wanted, is }) => {
    const { order } = await grantedScene();
    expect(await order({ ...TXN, ...wanted })).toMatchObject([{ kind: "denial", code: is }]);
  });
});
