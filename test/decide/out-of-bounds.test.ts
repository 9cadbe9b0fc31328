import { describe, expect, test } from "vitest";
import { stepsOutOfBounds } from "../../src/decide/out-of-bounds.ts";
import { lookAround } from "../../src/decide/world.ts";
import { BrokerError } from "../../src/domain/errors.ts";
import type { Grant } from "../../src/domain/grant.ts";
import { type FactScope, NO_FACTS, type ScopeFacts, type StepCounts } from "../../src/domain/run-facts.ts";
import type { Segment } from "../../src/domain/spiffe-id.ts";
import type { Step } from "../../src/domain/step.ts";
import type { UnixMicros, UnixSeconds } from "../../src/domain/time.ts";
import type { PoliciesInForce, PolicyEffect, PolicyRequest } from "../../src/ports/policy-engine.ts";
import { STEP } from "../samples/credentials.ts";

const WRITE: Grant = [
  {
    type: "mcp_tool",
    locations: ["https://a.example/mcp"],
    identifier: "write",
    actions: ["write"],
    datatypes: ["internal"],
  },
];
const READ: Grant = [{ ...WRITE[0], actions: ["read"], datatypes: ["customer"] } as Grant[number]];
const ALLOW: PolicyEffect = { effect: "allow", policies: [] };
const DENY: PolicyEffect = { effect: "deny", policies: ["site.no-writes"] };

const facts = (scope: FactScope, own: Partial<ScopeFacts>): ScopeFacts => ({ ...NO_FACTS, scope, version: 1, ...own });

function openStep(stepId: string, own: Partial<Step> = {}): Step {
  return { ...STEP, stepId, runId: "run" as Segment, agent: "clerk" as Segment, grant: WRITE, ...own };
}

const PARENT = openStep("step_parent", { agent: "planner" as Segment, step: "plan" as Segment, attempt: 1 });

/** A step that reads customers' data is opened in `run` by the agent `reader`, whose risk is high. */
async function grantingRead(
  open: readonly Step[],
  answer: (request: PolicyRequest) => PolicyEffect,
  known: readonly ScopeFacts[] = [],
  together: StepCounts = NO_FACTS,
) {
  const asked: PolicyRequest[] = [];
  const lookedThrough: number[] = [];
  const policies: PoliciesInForce = {
    version: 1,
    root: "ab",
    sequence: 5,
    dataClasses: { ratchet: "run", classes: {} },
  };
  const highRisk = {
    scope: "agent:reader",
    level: "high",
    expiresAt: 4_000_000_000 as UnixSeconds,
    reason: "",
  } as const;
  const ports = {
    policies: { inForce: async () => policies },
    steps: {
      world: async (scopes: readonly FactScope[], risks: readonly string[]) => ({
        countsIn: scopes,
        facts: known.filter(({ scope }) => scopes.includes(scope)),
        together,
        risks: risks.includes(highRisk.scope) ? [{ ...highRisk, sequence: 7 }] : [],
        through: 41,
      }),
      opening: async () => undefined,
      step: async (stepId: string) => (stepId === PARENT.stepId ? PARENT : undefined),
    },
    principals: { open: async () => undefined },
    stepDirectory: {
      openInScopes: async (_scopes: readonly FactScope[], through: number) => {
        lookedThrough.push(through);
        return open;
      },
    },
    clock: { now: () => 1_795_341_600_000_000 as UnixMicros },
    engine: {
      evaluate: async (_root: string, request: PolicyRequest) => {
        asked.push(request);
        return { whole: ALLOW, elements: request.elements.map(() => answer(request)) };
      },
    },
  };
  const world = await lookAround({ agent: "reader", scopes: ["run:run"] }, ports);
  const opening = { granted: READ, parent: undefined, replaces: undefined } as const;
  return { asked, lookedThrough, bounds: () => stepsOutOfBounds(opening, world, ports) };
}

describe("an open step is judged as if the grant of the new step had been made", () => {
  const child = openStep("step_child", {
    runId: "below" as Segment,
    factScopes: ["run:below", "run:run"],
    depth: 1,
  });
  const known = [
    facts("run:run", { version: 3, classes: ["internal"], actions: ["write"], stepsOpen: 3, steps: 8 }),
    facts("run:below", { version: 2, classes: ["internal", "payroll"], actions: ["write"], stepsOpen: 1, steps: 2 }),
  ];

  test("on the risk of its own agent, not of the agent that the grant is for", async () => {
    const { asked, bounds } = await grantingRead([openStep("step_1")], ({ risk }) =>
      risk.agent === "high" ? DENY : ALLOW,
    );
    expect(await bounds()).toMatchObject({ closes: [] });
    expect(asked).toMatchObject([{ act: "judge", agent: "clerk", risk: { agent: "low" } }]);
  });

  test("on what is known of its own run too, which need not be the run of the new step", async () => {
    const { asked, bounds } = await grantingRead([child], () => ALLOW, known);
    await bounds();
    expect(asked).toMatchObject([
      { facts: { classes: ["customer", "internal", "payroll"], actions: ["read", "write"] } },
    ]);
  });

  test("counting the steps beside it and the new one, and not itself", async () => {
    const { asked, bounds } = await grantingRead([child], () => ALLOW, known, { stepsOpen: 3, steps: 8 });
    await bounds();
    expect(asked).toMatchObject([{ facts: { stepsOpen: 3 - 1 + 1, steps: 8 - 1 + 1 } }]);
  });

  test("not counting the new one, where it counts in none of the step's scopes but its run is connected", async () => {
    const connected = openStep("step_fresh", { runId: "below" as Segment });
    const { asked, bounds } = await grantingRead([connected], () => ALLOW, known, { stepsOpen: 2, steps: 5 });
    await bounds();
    expect(asked).toMatchObject([{ facts: { classes: ["customer", "internal", "payroll"], stepsOpen: 1, steps: 4 } }]);
  });

  test("and the act stands only while nothing is added to what was known of the step's other runs", async () => {
    const { bounds } = await grantingRead([child], () => ALLOW, known);
    expect(await bounds()).toMatchObject({ alsoOn: [{ scope: "run:below", version: 2, steps: 2 }] });
  });

  test("with the hop from its parent, also where no policies were in force when it was opened", async () => {
    const { asked, bounds } = await grantingRead([openStep("step_1", { parentStepId: PARENT.stepId })], () => ALLOW);
    await bounds();
    expect(asked).toMatchObject([{ parent: { agent: "planner", name: { runId: "run", step: "plan", attempt: 1 } } }]);
  });

  test("none is missed that the ledger counted when the facts were read", async () => {
    const { lookedThrough, bounds } = await grantingRead([], () => ALLOW);
    await bounds();
    expect(lookedThrough).toEqual([41]);
  });
});

test("an open step of which no policy can be asked ends, and does not keep its run from being granted anything", async () => {
  const { bounds } = await grantingRead([openStep("step_1")], () => {
    throw new BrokerError("LIMIT_EXCEEDED", "grant: too much at once");
  });
  expect(await bounds()).toMatchObject({ closes: ["step_1"], closesParent: false });
});

test("an engine that does not answer ends no step, and the new one is not opened", async () => {
  const { bounds } = await grantingRead([openStep("step_1")], () => {
    throw new BrokerError("NOT_SERVING", "the policy engine has failed and starts anew");
  });
  await expect(bounds()).rejects.toMatchObject({ code: "NOT_SERVING" });
});

test("a run with thousands of open steps that would all end costs no thousands of questions", async () => {
  const steps = Array.from({ length: 10_000 }, (_, index) => openStep(`step_${index}`));
  const { asked, bounds } = await grantingRead(steps, () => DENY);
  await expect(bounds()).rejects.toMatchObject({ code: "LIMIT_EXCEEDED" });
  expect(asked.length).toBeLessThan(200);
});
