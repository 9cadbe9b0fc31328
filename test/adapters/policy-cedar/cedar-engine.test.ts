import { describe, expect, test } from "vitest";
import { createCedarEngine } from "../../../src/adapters/policy-cedar/cedar-engine.ts";
import { startCedarThread } from "../../../src/adapters/policy-cedar/cedar-thread.ts";
import { ACTIONS } from "../../../src/domain/grant.ts";
import { LIMITS } from "../../../src/domain/limits.ts";
import type { Segment } from "../../../src/domain/spiffe-id.ts";
import type { UnixMicros } from "../../../src/domain/time.ts";
import type { PolicyRequest } from "../../../src/ports/policy-engine.ts";
import { elementOf, requestOf, SEARCH, stepName } from "../../samples/policy-request.ts";
import { asking, baselineSet, setOf } from "./sets.ts";

/** An engine, with a way to end each of the threads that it has started so far as if the thread had failed. */
function engineWithThreads() {
  const threads: { kill(): Promise<void> }[] = [];
  const engine = createCedarEngine((onMessage, onEnd) => {
    const thread = startCedarThread(onMessage, onEnd);
    threads.push({
      async kill() {
        await thread.end();
        onEnd(new Error("killed"));
      },
    });
    return thread;
  });
  return { threads, engine };
}

const PERMIT = setOf("permit (principal, action, resource);");

describe("the engine", () => {
  test("answers each of many callers with the answer to its own question", async () => {
    await using asked = await asking(await baselineSet());
    const effects = await Promise.all(
      Array.from({ length: 500 }, (_, index) =>
        asked.ask({ depth: index % 6, parent: { agent: requestOf().agent, name: requestOf().name } }),
      ),
    );
    expect(effects.map(({ whole }) => whole.effect)).toEqual(
      Array.from({ length: 500 }, (_, index) => (index % 6 > 3 ? "deny" : "allow")),
    );
  });

  test("keeps sets apart by their roots, and refuses one that was let go of", async () => {
    await using asked = await asking(PERMIT);
    await asked.engine.load("empty", setOf(""));
    expect((await asked.engine.evaluate("empty", requestOf())).whole.effect).toBe("deny");
    expect((await asked.ask()).whole.effect).toBe("allow");
    asked.engine.unload("root");
    await expect(asked.ask()).rejects.toMatchObject({ code: "NOT_SERVING" });
    expect((await asked.engine.evaluate("empty", requestOf())).whole.effect).toBe("deny");
  });

  test("a set that two have loaded is let go of by the second: a replay's end takes nothing from what is in force", async () => {
    await using asked = await asking(PERMIT);
    await Promise.all([asked.engine.load("root", PERMIT), asked.engine.load("root", PERMIT)]);
    asked.engine.unload("root");
    asked.engine.unload("root");
    expect((await asked.ask()).whole.effect).toBe("allow");
    asked.engine.unload("root");
    await expect(asked.ask()).rejects.toMatchObject({ code: "NOT_SERVING" });
    asked.engine.unload("root");
    await asked.engine.load("root", PERMIT);
    expect((await asked.ask()).whole.effect).toBe("allow");
  });

  test("a set that is let go of while another loads it is there for the other", async () => {
    await using asked = await asking(setOf(""));
    await asked.engine.load("shared", PERMIT);
    const loading = asked.engine.load("shared", PERMIT);
    asked.engine.unload("shared");
    await loading;
    expect((await asked.engine.evaluate("shared", requestOf())).whole.effect).toBe("allow");
  });

  test("a set that is refused is held by nobody, however many have asked for it", async () => {
    await using asked = await asking(PERMIT);
    const broken = setOf("permit (principal, action, resource) when { context.nothing };");
    const loads = await Promise.allSettled([asked.engine.load("bad", broken), asked.engine.load("bad", broken)]);
    expect(loads.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    await asked.engine.load("bad", PERMIT);
    expect((await asked.engine.evaluate("bad", requestOf())).whole.effect).toBe("allow");
  });

  test("does not let another set answer under a root that is loaded already", async () => {
    await using asked = await asking(PERMIT);
    await asked.engine.load("root", setOf(""));
    expect((await asked.ask()).whole.effect).toBe("allow");
  });

  test("remembers no answer for what a policy could tell apart: another agent, tool, step, parent or time", async () => {
    await using asked = await asking(
      setOf(`permit (principal, action == Action::"read", resource) when
          { principal != Agent::"evil" && resource != Tool::"drop" && context.at < datetime("2030-01-01") };
        permit (principal, action == Action::"open_step", resource in Run::"run-1");
        permit (principal, action == Action::"delegate", resource in Run::"run-1") when { context has parent && context.parent.attempt == 1 };`),
    );
    const good = { parent: { agent: requestOf().agent, name: stepName() } };
    const whole = (over: Partial<PolicyRequest>) => asked.ask({ ...good, ...over }).then((one) => one.whole.effect);
    const element = (over: Partial<PolicyRequest>) => asked.ask(over).then((one) => one.elements[0]?.effect);
    for (let again = 0; again < 2; again += 1) {
      expect(await element({})).toBe("allow");
      expect(await element({ agent: "evil" as Segment })).toBe("deny");
      expect(await element({ requested: [elementOf({ identifier: "drop" })] })).toBe("deny");
      expect(await element({ at: 2_000_000_000_000_000 as UnixMicros })).toBe("deny");
      expect(await whole({})).toBe("allow");
      expect(await whole({ name: stepName("run-2") })).toBe("deny");
      expect(await whole({ parent: { agent: requestOf().agent, name: stepName("run-2") } })).toBe("deny");
      expect(await whole({ parent: { agent: requestOf().agent, name: stepName("run-1", "plan", 2) } })).toBe("deny");
    }
  });

  test("asks its thread once for what no policy can tell apart, and again once the set was loaded anew", async () => {
    let questions = 0;
    const engine = createCedarEngine((onMessage, onEnd) => {
      const thread = startCedarThread(onMessage, onEnd);
      return {
        ...thread,
        post(message) {
          if (message.kind === "evaluate") questions += 1;
          thread.post(message);
        },
      };
    });
    const set = await baselineSet();
    await engine.load("root", set);
    const ask = (over: Partial<PolicyRequest> = {}) => engine.evaluate("root", requestOf(over));
    const first = await ask();
    const another = { name: stepName("run-2", "other", 7), at: 1_900_000_000_000_000 as UnixMicros, workflow: "other" };
    expect(await ask(another)).toEqual(first);
    expect(questions).toBe(1);
    expect((await ask({ risk: { domain: "high", agent: "low", run: "low" } })).whole.effect).toBe("deny");
    expect(questions).toBe(2);
    engine.unload("root");
    await engine.load("root", setOf(""));
    expect((await ask()).whole.effect).toBe("deny");
    await engine.close();
  });

  test("refuses a root that was never loaded", async () => {
    await using asked = await asking(PERMIT);
    await expect(asked.engine.evaluate("other", requestOf())).rejects.toMatchObject({ code: "NOT_SERVING" });
  });

  test("refuses whatever is asked once it is closed, and what was under way", async () => {
    const asked = await asking(PERMIT);
    const underWay = asked.ask();
    const refused = expect(underWay).rejects.toMatchObject({ code: "NOT_SERVING" });
    await asked.engine.close();
    await refused;
    await expect(asked.ask()).rejects.toMatchObject({ code: "NOT_SERVING" });
    await expect(asked.engine.check(PERMIT)).rejects.toMatchObject({ code: "NOT_SERVING" });
    await asked.engine.close();
  });

  test("refuses more requests of one runtime than may wait, and none of another", async () => {
    await using asked = await asking(PERMIT);
    const hog = Array.from({ length: 10_100 }, () => asked.ask({ runtime: "hog" as Segment }));
    const other = asked.ask({ runtime: "other" as Segment });
    const refused = (await Promise.allSettled(hog)).filter(({ status }) => status === "rejected");
    expect(refused.length).toBeGreaterThan(0);
    expect(refused.length).toBeLessThanOrEqual(100);
    for (const one of refused) expect(one).toMatchObject({ reason: { code: "NOT_SERVING" } });
    expect((await other).whole.effect).toBe("allow");
  });

  test("answers a runtime that asks once before all that another has asked", async () => {
    await using asked = await asking(PERMIT);
    const settled: string[] = [];
    const ask = (runtime: string) => asked.ask({ runtime: runtime as Segment }).then(() => settled.push(runtime));
    await Promise.all([...Array.from({ length: 1_000 }, () => ask("hog")), ask("other")]);
    expect(settled.indexOf("other")).toBeLessThan(200);
  });
});

describe("a thread that dies", () => {
  test("refuses what it was asked; the next one has the same sets", async () => {
    const { threads, engine } = engineWithThreads();
    try {
      await engine.load("root", PERMIT);
      const pending = engine.evaluate("root", requestOf());
      const refused = expect(pending).rejects.toMatchObject({ code: "NOT_SERVING" });
      await threads[0]?.kill();
      await refused;
      expect((await engine.evaluate("root", requestOf())).whole.effect).toBe("allow");
      expect(threads).toHaveLength(2);
    } finally {
      await engine.close();
    }
  });

  test("before it has answered is not started again and again", async () => {
    const { threads, engine } = engineWithThreads();
    try {
      const refused = expect(engine.load("root", PERMIT)).rejects.toMatchObject({ code: "NOT_SERVING" });
      await threads[0]?.kill();
      await refused;
      expect(threads).toHaveLength(1);
      await engine.load("root", PERMIT);
      expect((await engine.evaluate("root", requestOf())).whole.effect).toBe("allow");
    } finally {
      await engine.close();
    }
  });
});

describe("a request of too many questions", () => {
  const servers = Array.from({ length: 32 }, (_, index) => `https://s${index}.example.org`);

  test("is refused before anything is asked: 10,240 of them", async () => {
    await using asked = await asking(PERMIT);
    const requested = Array.from({ length: 64 }, (_, index) =>
      elementOf({ identifier: `t${index}`, locations: servers, actions: ACTIONS }),
    );
    await expect(asked.ask({ requested })).rejects.toMatchObject({
      code: "LIMIT_EXCEEDED",
      metadata: { field: "grant" },
    });
  });

  test("is refused of 10,000 elements too, whether they are to be answered or only asked for", async () => {
    await using asked = await asking(PERMIT);
    const many = Array.from({ length: 10_000 }, (_, index) => elementOf({ identifier: `t${index}` }));
    await expect(asked.ask({ requested: many })).rejects.toMatchObject({ code: "LIMIT_EXCEEDED" });
    await expect(asked.ask({ requested: many, elements: [] })).rejects.toMatchObject({ code: "LIMIT_EXCEEDED" });
    const empty = many.map((element) => ({ ...element, actions: [] }));
    await expect(asked.ask({ requested: [], elements: empty })).rejects.toMatchObject({ code: "LIMIT_EXCEEDED" });
  });

  test("is refused where policies look at so many servers in each of them that it would take seconds", async () => {
    await using asked = await asking(
      setOf(`permit (principal, action, resource) when { context has workflow || context.requested.servers.contains(Server::"x") };
        forbid (principal, action, resource is Tool) when { context.server == Server::"y" };`),
    );
    const requested = Array.from({ length: 32 }, (_, element) =>
      elementOf({
        identifier: `t${element}`,
        locations: servers.map((server) => `${server}/${"p".repeat(200)}/${element}`),
      }),
    );
    await expect(asked.ask({ requested })).rejects.toMatchObject({ code: "LIMIT_EXCEEDED" });
    expect((await asked.ask({ requested: requested.slice(0, 2) })).elements).toHaveLength(2);
  });

  test("is answered up to the limit, and no further", async () => {
    await using asked = await asking(PERMIT);
    const classes = Array.from({ length: 32 }, (_, index) => `c${index}`);
    const full = elementOf({ locations: servers, datatypes: classes });
    expect(servers.length * classes.length).toBe(LIMITS.policyEvaluationsMax);
    expect((await asked.ask({ requested: [full] })).elements).toMatchObject([{ effect: "allow" }]);
    await expect(asked.ask({ requested: [full, elementOf({ locations: [SEARCH] })] })).rejects.toMatchObject({
      code: "LIMIT_EXCEEDED",
    });
  });
});
