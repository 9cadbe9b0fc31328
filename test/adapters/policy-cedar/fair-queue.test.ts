import { expect, test } from "vitest";
import { createFairQueue } from "../../../src/adapters/policy-cedar/fair-queue.ts";

const queueOf = (...items: readonly (readonly [party: string, item: string, weight: number])[]) => {
  const queue = createFairQueue<string>();
  for (const [party, item, weight] of items) queue.add(party, item, weight);
  return queue;
};

test("whoever asks often has no more turns than whoever asks once", () => {
  const queue = queueOf(["a", "a1", 1], ["a", "a2", 1], ["a", "a3", 1], ["b", "b1", 1], ["c", "c1", 1], ["b", "b2", 1]);
  expect(queue.take(10, 10)).toEqual(["a1", "b1", "c1", "a2", "b2", "a3"]);
  expect([queue.size, queue.take(10, 10)]).toEqual([0, []]);
});

test("what is taken together has a number and a weight, but for a single item that is heavier", () => {
  const queue = queueOf(["a", "heavy", 99], ["b", "b1", 4], ["c", "c1", 4], ["d", "d1", 4]);
  expect(queue.take(10, 10)).toEqual(["heavy"]);
  expect(queue.take(10, 10)).toEqual(["b1", "c1"]);
  expect(queue.take(10, 10)).toEqual(["d1"]);
  const many = queueOf(["a", "a1", 0], ["a", "a2", 0], ["a", "a3", 0]);
  expect(many.take(2, 0)).toEqual(["a1", "a2"]);
});

test("counts what waits, of all and of one, and gives it up at once", () => {
  const queue = queueOf(["a", "a1", 1], ["a", "a2", 1], ["b", "b1", 1]);
  expect([queue.size, queue.sizeOf("a"), queue.sizeOf("b"), queue.sizeOf("c")]).toEqual([3, 2, 1, 0]);
  expect(queue.clear()).toEqual(["a1", "a2", "b1"]);
  expect([queue.size, queue.sizeOf("a"), queue.take(1, 1)]).toEqual([0, 0, []]);
});
