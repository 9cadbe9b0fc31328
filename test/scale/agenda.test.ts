import fc from "fast-check";
import { expect, test } from "vitest";
import { createAgenda, createRandom, createServer, exponential } from "../../scripts/scale/agenda.ts";

test("what is due is done in order, at its instant, and of one instant in the order in which it was asked for", async () => {
  const delays = fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 60 });
  await fc.assert(
    fc.asyncProperty(delays, async (seconds) => {
      const agenda = createAgenda();
      const done: { readonly due: number; readonly asked: number; readonly now: number }[] = [];
      seconds.forEach((due, asked) => {
        agenda.after(due, () => done.push({ due, asked, now: agenda.now() }));
      });
      await agenda.run(20);
      expect(done).toHaveLength(seconds.length);
      expect(done).toEqual(done.toSorted((a, b) => a.due - b.due || a.asked - b.asked));
      for (const { due, now } of done) expect(now).toBe(due);
    }),
  );
});

test("what is due later than it is run for waits, and time stands where it was run to", async () => {
  const agenda = createAgenda();
  const done: number[] = [];
  agenda.after(2, () => done.push(2));
  await agenda.run(1);
  expect([agenda.now(), done]).toEqual([1, []]);
  await agenda.run(2);
  expect(done).toEqual([2]);
});

test("promises go on before the time does", async () => {
  const agenda = createAgenda();
  const seen: number[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const chain = promise.then(() => undefined).then(() => agenda.after(1, () => seen.push(agenda.now())));
  agenda.after(1, () => {
    resolve();
    agenda.settle();
  });
  agenda.after(3, () => seen.push(agenda.now()));
  await agenda.run(5);
  await chain;
  expect(seen).toEqual([2, 3]);
});

test("a server serves one after the other", async () => {
  const agenda = createAgenda();
  const server = createServer(agenda);
  const done: number[] = [];
  for (const seconds of [3, 1]) server.serve(seconds, () => done.push(agenda.now()));
  agenda.after(10, () => server.serve(2, () => done.push(agenda.now())));
  await agenda.run(20);
  expect(done).toEqual([3, 4, 12]);
  expect(server.busySeconds()).toBe(6);
});

test("random times are the same for the same seed, and on the average as long as they are to be", () => {
  const of = (seed: number) => {
    const random = createRandom(seed);
    return Array.from({ length: 20_000 }, () => exponential(5, random));
  };
  expect(of(1)).toEqual(of(1));
  expect(of(1)).not.toEqual(of(2));
  expect(of(1).reduce((sum, time) => sum + time, 0) / 20_000).toBeCloseTo(5, 1);
});
