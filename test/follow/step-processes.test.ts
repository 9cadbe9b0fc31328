import fc from "fast-check";
import { expect, test } from "vitest";
import type { Executor } from "../../src/domain/executor.ts";
import type { ProcessIdentity } from "../../src/domain/process.ts";
import type { Step } from "../../src/domain/step.ts";
import { createStepProcesses } from "../../src/follow/step-processes.ts";
import { createKernel } from "../simulation/kernel.ts";

/** An index over simulated processes, which counts how often the kernel is asked for a lineage. */
function scene() {
  const kernel = createKernel();
  let looks = 0;
  const kinship = {
    ...kernel.kinship,
    lineageOf(process: ProcessIdentity) {
      looks += 1;
      return kernel.kinship.lineageOf(process);
    },
  };
  const index = createStepProcesses({ processes: kernel.processes, kinship });
  const looksFor = (act: () => unknown): number => {
    const before = looks;
    act();
    return looks - before;
  };
  return { kernel, index, looksFor };
}

const ANY: Executor = { kind: "any" };
const stepBy = (opener: ProcessIdentity, executor: Executor = ANY) => ({ opener, executor }) as Step;

test("nothing is looked up while nobody else has a part in steps", () => {
  const { kernel, index, looksFor } = scene();
  const { process } = kernel.start(1);
  expect(looksFor(() => index.descentOf(process))).toBe(0);
  index.opened(stepBy(process));
  expect(looksFor(() => index.descentOf(process))).toBe(0);
});

test("who opened and was found apart is not looked at again, until one comes that could be above it", () => {
  const { kernel, index, looksFor } = scene();
  const shell = kernel.start(1);
  const [worker, other] = [kernel.start(1, shell).process, kernel.start(1, shell).process];
  index.opened(stepBy(worker));
  index.opened(stepBy(other));
  expect(looksFor(() => expect(index.descentOf(worker)).toEqual({ kind: "none" }))).toBe(1);
  expect(looksFor(() => index.descentOf(worker))).toBe(0);
  index.opened(stepBy(kernel.start(1).process));
  expect(looksFor(() => index.descentOf(worker))).toBe(0);
  index.opened(stepBy(shell.process));
  expect(index.descentOf(worker)).toEqual({ kind: "descends", from: shell.process });
});

test("of many that were found apart, those are looked at again that one who comes could be above, and no others", () => {
  const ages = fc.uniqueArray(fc.nat({ max: 30 }), { minLength: 3, maxLength: 12 });
  fc.assert(
    fc.property(ages, fc.nat(), fc.nat(), (order, leaves, comes) => {
      const { kernel, index, looksFor } = scene();
      // In the order of their starts, whoever of them opens first.
      const started = Array.from({ length: 31 }, () => kernel.start(1));
      const own = order.flatMap((at) => started[at] ?? []);
      const [gone, late, ...others] = [
        ...own.splice(leaves % own.length, 1),
        ...own.splice(comes % own.length, 1),
        ...own,
      ];
      if (gone === undefined || late === undefined) throw new Error("three at the least");
      for (const { process } of [gone, ...others]) index.opened(stepBy(process));
      for (const { process } of others) index.descentOf(process);
      kernel.kill(gone);
      expect(looksFor(() => others.map(({ process }) => index.descentOf(process)))).toBe(0);
      index.opened(stepBy(late.process));
      for (const { process } of others) {
        const isYounger = process.startTimeTicks > late.process.startTimeTicks;
        expect(looksFor(() => index.descentOf(process))).toBe(isYounger ? 1 : 0);
      }
    }),
  );
});

test("a descendant is looked at each time", () => {
  const { kernel, index, looksFor } = scene();
  const runtime = kernel.start(1);
  const child = kernel.start(1, runtime).process;
  index.opened(stepBy(runtime.process));
  for (let times = 0; times < 2; times += 1) {
    expect(looksFor(() => expect(index.descentOf(child)).toMatchObject({ kind: "descends" }))).toBe(1);
  }
});

test("an executor counts while it executes, and counts for each of its steps", () => {
  const { kernel, index } = scene();
  const [opener, executor] = [kernel.start(1), kernel.start(1)];
  const child = kernel.start(1, executor).process;
  const step = stepBy(opener.process, { kind: "tree", process: executor.process });
  index.opened(step);
  index.opened(step);
  index.closed(step);
  expect(index.descentOf(child)).toMatchObject({ kind: "descends" });
  index.closed(step);
  expect(index.descentOf(child)).toEqual({ kind: "none" });
});

test("whoever let go of a step twice has let go once", () => {
  const { kernel, index } = scene();
  const holder = kernel.start(1);
  index.opened(stepBy(kernel.start(1).process));
  const child = kernel.start(1, holder).process;
  const [first, second] = [index.holds(holder.process), index.holds(holder.process)];
  first();
  first();
  expect(index.descentOf(child)).toMatchObject({ kind: "descends" });
  second();
  expect(index.descentOf(child)).toEqual({ kind: "none" });
});

test("nothing is kept, or watched, of a process that has ended", () => {
  const { kernel, index } = scene();
  const [runtime, enrolled] = [kernel.start(1), kernel.start(1)];
  index.opened(stepBy(runtime.process, { kind: "process", process: runtime.process }));
  index.enrolled(enrolled.process);
  expect(kernel.watched()).toBe(2);
  for (const one of [runtime, enrolled]) kernel.kill(one);
  expect(kernel.watched()).toBe(0);
  // The step is closed after its executor ended.
  index.closed(stepBy(runtime.process, { kind: "process", process: runtime.process }));
  expect(index.descentOf(kernel.start(1).process)).toEqual({ kind: "none" });
});

test("the end of the index ends each watch", () => {
  const { kernel, index } = scene();
  index.opened(stepBy(kernel.start(1).process));
  index.enrolled(kernel.start(1).process);
  index.end();
  expect(kernel.watched()).toBe(0);
});
