import { expect, test } from "vitest";
import { folded } from "../../src/main/folded.ts";

test("one run at a time: calls during a run make one more, which begins after all of them", async () => {
  const runs: (() => void)[] = [];
  let under = 0;
  let most = 0;
  const call = folded(async () => {
    under += 1;
    most = Math.max(most, under);
    await new Promise<void>((resolve) => runs.push(resolve));
    under -= 1;
  });
  /** Ends the run that began last, and lets what follows from that happen. */
  const end = async () => {
    runs.at(-1)?.();
    await new Promise(setImmediate);
  };
  for (let count = 0; count < 50; count += 1) call();
  expect(runs).toHaveLength(1);
  await end();
  expect(runs).toHaveLength(2);
  for (let count = 0; count < 50; count += 1) call();
  await end();
  expect(runs).toHaveLength(3);
  await end();
  expect(runs).toHaveLength(3);
  call();
  expect(runs).toHaveLength(4);
  expect(most).toBe(1);
});
