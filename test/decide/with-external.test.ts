import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { externalAlone, withExternal } from "../../src/decide/with-external.ts";
import { NO_DATA_CLASSES } from "../../src/domain/data-classes.ts";
import { BrokerError } from "../../src/domain/errors.ts";
import type { PolicySet } from "../../src/domain/policy-set.ts";
import type { ExternalPolicy } from "../../src/ports/external-policy.ts";
import type { PolicyAnswer, PolicyEffect, PolicyEngine, PolicyRequest } from "../../src/ports/policy-engine.ts";
import { elementOf, requestOf } from "../samples/policy-request.ts";

const SEARCH = elementOf();

const ALLOW: PolicyEffect = { effect: "allow", policies: ["p"] };
const DENY: PolicyEffect = { effect: "deny", policies: ["q"] };
const HELD: PolicyEffect = { effect: "deny", policies: ["held"], approval: "operators" };
const FAILED: PolicyEffect = { effect: "deny", policies: [], errors: ["broken"] };
const NO_ANSWER = new BrokerError("NOT_SERVING", "the external policy engine does not answer");
const EMPTY: PolicySet = { policies: [], dataClasses: NO_DATA_CLASSES };
const SET: PolicySet = {
  ...EMPTY,
  policies: [{ policyId: "site.a", file: "site.cedar", line: 7, text: "permit (…);" }],
};

type Says = PolicyAnswer | BrokerError | Promise<PolicyAnswer>;

async function said(says: Says): Promise<PolicyAnswer> {
  if (says instanceof BrokerError) throw says;
  return says;
}

/** An engine that says this of whatever is asked, and keeps what it was called for. */
function engineThat(says: Says) {
  const calls: unknown[] = [];
  const engine: PolicyEngine = {
    check: async (set) => [{ file: "f", line: 1, column: 1, message: `${set.policies.length} policies` }],
    load: async (root, set) => void calls.push(["load", root, set]),
    unload: (root) => void calls.push(["unload", root]),
    evaluate(root, request) {
      calls.push(["evaluate", root, request]);
      return said(says);
    },
    close: async () => void calls.push("close"),
  };
  return { engine, calls };
}

function externalThat(says: Says) {
  const calls: (PolicyRequest | "close")[] = [];
  const external: ExternalPolicy = {
    name: "opa",
    evaluate(request) {
      calls.push(request);
      return said(says);
    },
    close: async () => void calls.push("close"),
  };
  return { external, calls };
}

const one = (whole: PolicyEffect, element = whole): PolicyAnswer => ({ whole, elements: [element] });

function answerOf(own: Says, foreign: Says, request = requestOf()): Promise<PolicyAnswer> {
  return withExternal(engineThat(own).engine, externalThat(foreign).external).evaluate("root", request);
}

describe("of two engines", () => {
  test("both must allow, the whole and each element, whatever they say", async () => {
    const effect = fc.record({ effect: fc.constantFrom("allow", "deny"), policies: fc.subarray(["a", "b"]) });
    const answer = fc.record({ whole: effect, elements: fc.array(effect, { maxLength: 4 }) });
    await fc.assert(
      fc.asyncProperty(answer, answer, fc.nat(4), async (own, foreign, count) => {
        const request = requestOf({ requested: Array.from({ length: count }, () => SEARCH) });
        const { whole, elements } = await answerOf(own, foreign, request);
        const allow = (...two: readonly (PolicyEffect | undefined)[]) =>
          two.every((one) => one?.effect === "allow") ? "allow" : "deny";
        expect(whole.effect).toBe(allow(own.whole, foreign.whole));
        expect(elements.map((one) => one.effect)).toEqual(
          request.elements.map((_, index) => allow(own.elements[index], foreign.elements[index])),
        );
      }),
    );
  });

  test.for([
    { what: "both, where both allow", own: ALLOW, foreign: ALLOW, is: { effect: "allow", policies: ["opa:p", "p"] } },
    { what: "the one that denies", own: ALLOW, foreign: DENY, is: { effect: "deny", policies: ["opa:q"] } },
    { what: "the other that denies", own: DENY, foreign: ALLOW, is: { effect: "deny", policies: ["q"] } },
    { what: "both, where both deny", own: DENY, foreign: DENY, is: { effect: "deny", policies: ["opa:q", "q"] } },
  ] as const)("a decision names the policies of $what", async ({ own, foreign, is }) => {
    expect(await answerOf(one(own), one(foreign))).toEqual(one(is as PolicyEffect));
  });

  test("a denial of the external one that names no policy is named as its own all the same", async () => {
    const nameless: PolicyEffect = { effect: "deny", policies: [] };
    expect(await answerOf(one(ALLOW), one(nameless))).toEqual(one({ effect: "deny", policies: ["opa:unnamed"] }));
    expect(await answerOf(one(DENY), one(nameless))).toEqual(one({ effect: "deny", policies: ["opa:unnamed", "q"] }));
  });

  test("what one could not evaluate is denied, and named as its own", async () => {
    expect(await answerOf(one(ALLOW), one(FAILED))).toEqual(
      one({ effect: "deny", policies: [], errors: ["opa:broken"] }),
    );
    expect(await answerOf(one(FAILED), one(FAILED))).toEqual(
      one({ effect: "deny", policies: [], errors: ["broken", "opa:broken"] }),
    );
  });

  test("an allow with an error is none", async () => {
    const torn: PolicyEffect = { ...ALLOW, errors: ["broken"] };
    expect(await answerOf(one(ALLOW), one(torn))).toMatchObject(one({ effect: "deny", policies: ["opa:p"] }));
    expect(await answerOf(one(torn), one(ALLOW))).toMatchObject(one({ effect: "deny", policies: ["p"] }));
    expect(await externalAlone(externalThat(one(torn)).external).evaluate("root", requestOf())).toMatchObject(
      one({ effect: "deny", policies: ["opa:p"] }),
    );
  });

  test("what one holds back for approval can be approved only where the other allows it", async () => {
    expect(await answerOf(one(HELD), one(ALLOW))).toEqual(one(HELD));
    for (const foreign of [DENY, FAILED, { ...ALLOW, errors: ["broken"] }]) {
      const { whole, elements } = await answerOf(one(HELD), one(foreign));
      for (const effect of [whole, ...elements]) expect(effect).not.toHaveProperty("approval");
    }
  });

  test("the external one offers no approval", async () => {
    const { whole } = await answerOf(one(ALLOW), one(HELD));
    expect(whole).toEqual({ effect: "deny", policies: ["opa:held"] });
    const alone = await externalAlone(externalThat(one(HELD)).external).evaluate("root", requestOf());
    expect(alone.whole).toEqual({ effect: "deny", policies: ["opa:held"] });
  });

  test("both are asked at the same time, and for the same", async () => {
    const later = Promise.withResolvers<PolicyAnswer>();
    const own = engineThat(later.promise);
    const foreign = externalThat(later.promise);
    const request = requestOf();
    const answer = withExternal(own.engine, foreign.external).evaluate("root", request);
    expect([own.calls, foreign.calls]).toEqual([[["evaluate", "root", request]], [request]]);
    later.resolve(one(ALLOW));
    expect(await answer).toMatchObject({ whole: { effect: "allow" } });
  });

  test("sets of policies are the one's affair, and both are closed", async () => {
    const own = engineThat(one(ALLOW));
    const foreign = externalThat(one(ALLOW));
    const both = withExternal(own.engine, foreign.external);
    expect(await both.check(SET)).toEqual([expect.objectContaining({ message: "1 policies" })]);
    await both.load("root", SET);
    both.unload("root");
    await both.close();
    expect(own.calls).toEqual([["load", "root", SET], ["unload", "root"], "close"]);
    expect(foreign.calls).toEqual(["close"]);
  });
});

describe("where the external engine does not answer", () => {
  test.for([
    { what: "everything is allowed", own: one(ALLOW) },
    { what: "a part is allowed", own: { whole: ALLOW, elements: [ALLOW, DENY] } },
  ])("and by the other $what, there is no answer", async ({ own }) => {
    await expect(answerOf(own, NO_ANSWER)).rejects.toBe(NO_ANSWER);
  });

  test.for([
    { what: "the whole", own: one(DENY, ALLOW) },
    { what: "each element", own: one(ALLOW, DENY) },
  ])("and the other denies $what, that stands, and it is recorded who was not heard", async ({ own }) => {
    const { whole, elements } = await answerOf(own, NO_ANSWER);
    for (const effect of [whole, ...elements])
      expect(effect).toMatchObject({ effect: "deny", errors: ["opa:no_answer"] });
  });

  test("nothing can be approved", async () => {
    expect((await answerOf(one(HELD), NO_ANSWER)).whole).toEqual({
      effect: "deny",
      policies: ["held"],
      errors: ["opa:no_answer"],
    });
  });

  test("and the other can't either, the other's reason is told", async () => {
    const tooMany = new BrokerError("LIMIT_EXCEEDED", "more than 1024 evaluations");
    await expect(answerOf(tooMany, NO_ANSWER)).rejects.toBe(tooMany);
    await expect(answerOf(tooMany, one(DENY))).rejects.toBe(tooMany);
  });
});

describe("of an open step", () => {
  const judged = requestOf({ act: "judge" });
  const noDecision = { code: "NOT_SERVING", detail: "opa:broken" };

  test.for([FAILED, { ...ALLOW, errors: ["broken"] }])(
    "an answer that is no decision ends nothing: there is no answer",
    async (foreign) => {
      await expect(answerOf(one(ALLOW), one(foreign), judged)).rejects.toMatchObject(noDecision);
      await expect(answerOf(one(ALLOW), one(ALLOW, foreign), judged)).rejects.toMatchObject(noDecision);
      const alone = externalAlone(externalThat(one(foreign)).external);
      await expect(alone.evaluate("root", judged)).rejects.toMatchObject(noDecision);
    },
  );

  test.for([
    { what: "is silent", foreign: NO_ANSWER },
    { what: "gives no decision", foreign: one(FAILED) },
  ])("what the broker's own policies deny ends it, a part as well, though the other $what", async ({ foreign }) => {
    const two = requestOf({ act: "judge", requested: [SEARCH, SEARCH] });
    const { elements } = await answerOf({ whole: ALLOW, elements: [ALLOW, DENY] }, foreign, two);
    expect(elements[1]).toEqual({ ...DENY, errors: ["opa:no_answer"] });
  });

  test("a deny is a deny", async () => {
    expect((await answerOf(one(ALLOW), one(DENY), judged)).whole).toEqual({ effect: "deny", policies: ["opa:q"] });
  });
});

describe("an external engine alone", () => {
  test("decides, with its name before those of its policies", async () => {
    const engine = externalAlone(externalThat(one(ALLOW, DENY)).external);
    expect(await engine.evaluate("root", requestOf())).toEqual({
      whole: { effect: "allow", policies: ["opa:p"] },
      elements: [{ effect: "deny", policies: ["opa:q"] }],
    });
    await expect(externalAlone(externalThat(NO_ANSWER).external).evaluate("root", requestOf())).rejects.toBe(NO_ANSWER);
  });

  test("takes no set with policies, which nothing would evaluate, and says where they are", async () => {
    const { external, calls } = externalThat(one(ALLOW));
    const engine = externalAlone(external);
    expect(await engine.check(EMPTY)).toEqual([]);
    await engine.load("empty", EMPTY);
    expect(await engine.check(SET)).toEqual([
      {
        file: "site.cedar",
        line: 7,
        column: 1,
        policyId: "site.a",
        message: "nothing here evaluates it: opa decides alone",
      },
    ]);
    await expect(engine.load("root", SET)).rejects.toMatchObject({
      code: "INVALID_FIELD",
      metadata: { field: "policies" },
    });
    engine.unload("empty");
    await engine.close();
    expect(calls).toEqual(["close"]);
  });
});
