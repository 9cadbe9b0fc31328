import { describe, expect, test } from "vitest";
import type { ProcessIdentity } from "../../src/domain/process.ts";
import type { Step } from "../../src/domain/step.ts";
import { createExecutorIndex } from "../../src/follow/executor-index.ts";
import { STEP } from "../samples/credentials.ts";

const process = (pid: number): ProcessIdentity => ({ bootId: "boot", pidNamespace: "1", pid, startTimeTicks: pid });
const by = (pid: number) => ({ kind: "process", process: process(pid) }) as const;
const below = (pid: number) => ({ kind: "tree", process: process(pid) }) as const;
const ANY = { kind: "any" } as const;

function failed(error: unknown): never {
  throw error;
}

let sequence = 0;
function stepOf(executor: Step["executor"], more: Partial<Step> = {}): Step {
  sequence += 1;
  const stepId = `step_${sequence}`;
  return { ...STEP, agentEntryId: "entry_a", stepId, openedSequence: sequence, executor, ...more };
}
const executing = (pid: number, ...entryIds: string[]) => ({ process: process(pid), entryIds });

describe("the open steps of a process", () => {
  test("are those for it alone and those for any of its agents, oldest first", () => {
    const index = createExecutorIndex([], failed);
    const steps = [stepOf(ANY), stepOf(by(1)), stepOf(ANY, { agentEntryId: "entry_b" }), stepOf(by(1))] as const;
    const others = [stepOf(by(2)), stepOf(ANY, { agentEntryId: "entry_c" })];
    for (const step of [...steps.toReversed(), ...others]) index.put(step);
    expect(index.executedBy(executing(1, "entry_a", "entry_b"))).toEqual(steps);
  });

  test("are not those of an agent that it does not match any more", () => {
    const index = createExecutorIndex([], failed);
    index.put(stepOf(by(1)));
    expect(index.executedBy(executing(1, "entry_b"))).toEqual([]);
    expect(index.executedBy(executing(1))).toEqual([]);
  });

  test("are told by the whole name of the process: a pid that was reused is another's", () => {
    const index = createExecutorIndex([], failed);
    index.put(stepOf(by(1)));
    const reused = { process: { ...process(1), startTimeTicks: 99 }, entryIds: ["entry_a"] };
    expect(index.executedBy(reused)).toEqual([]);
  });
});

describe("the steps of a tree of processes", () => {
  const under = (...pids: number[]) => ({ ...executing(9, "entry_a"), ancestors: () => pids.map(process) });

  test("are those of the process itself, and of each whose chain of parents reaches it", () => {
    const index = createExecutorIndex([], failed);
    const step = stepOf(below(1));
    index.put(step);
    expect(index.executedBy(executing(1, "entry_a"))).toEqual([step]);
    expect(index.executedBy(under(8, 1))).toEqual([step]);
    expect(index.stepsOf(process(1))).toEqual([step]);
  });

  test("are nobody's whose chain leads elsewhere, whose parent alone executes, or who is of another agent", () => {
    const index = createExecutorIndex([], failed);
    for (const executor of [below(1), by(8)]) index.put(stepOf(executor));
    expect(index.executedBy(under(8, 2))).toEqual([]);
    expect(index.executedBy({ ...under(1), entryIds: ["entry_b"] })).toEqual([]);
  });

  test("cost a look at the processes above only while there are any of the caller's agents", () => {
    const index = createExecutorIndex([], failed);
    const looking = () => {
      throw new Error("looked");
    };
    const caller = { ...executing(9, "entry_a"), ancestors: looking };
    const [own, others] = [stepOf(below(1)), stepOf(below(1), { agentEntryId: "entry_b" })];
    index.put(others);
    expect(index.executedBy(caller)).toEqual([]);
    index.put(own);
    expect(() => index.executedBy(caller)).toThrow("looked");
    index.remove(own);
    expect(index.executedBy(caller)).toEqual([]);
  });

  test("are told of to whoever could be in the tree", () => {
    const index = createExecutorIndex([], failed);
    let told = 0;
    index.followExecutor(executing(9, "entry_a"), () => {
      told += 1;
    });
    const step = stepOf(below(1));
    index.put(step);
    index.put(stepOf(below(1), { agentEntryId: "entry_b" }));
    index.remove(step);
    expect(told).toBe(2);
  });
});

describe("whoever follows a process", () => {
  test("is told when a step of it is opened and closed, once each, and not of others' or of a renewal", () => {
    const index = createExecutorIndex([], failed);
    let told = 0;
    const unfollow = index.followExecutor(executing(1, "entry_a"), () => {
      told += 1;
    });
    const [own, any] = [stepOf(by(1)), stepOf(ANY)];
    index.put(own);
    index.put(any);
    expect(told).toBe(2);
    index.put({ ...own, leaseSeconds: 5 });
    index.put(stepOf(by(2)));
    index.put(stepOf(ANY, { agentEntryId: "entry_b" }));
    expect(told).toBe(2);
    index.remove(own);
    index.remove(own);
    index.remove(any);
    expect(told).toBe(4);
    unfollow();
    index.put(stepOf(by(1)));
    expect(told).toBe(4);
  });

  test("is told by itself, though another follows with the same function", () => {
    const index = createExecutorIndex([], failed);
    let told = 0;
    const tell = () => {
      told += 1;
    };
    index.followExecutor(executing(1, "entry_a"), tell)();
    index.followExecutor(executing(1, "entry_a"), tell);
    const left = index.followExecutor(executing(1, "entry_a"), tell);
    left();
    index.put(stepOf(ANY));
    expect(told).toBe(1);
  });

  test("finds the step there when it is told of it, and may leave then", () => {
    const index = createExecutorIndex([], failed);
    const found: number[] = [];
    const unfollow = index.followExecutor(executing(1, "entry_a"), () => {
      found.push(index.executedBy(executing(1, "entry_a")).length);
      unfollow();
    });
    const step = stepOf(by(1));
    index.put(step);
    index.remove(step);
    expect(found).toEqual([1]);
  });
});
