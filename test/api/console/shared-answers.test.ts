import { expect, test } from "vitest";
import { createSharedAnswers, type SharedAnswer } from "../../../src/api/console/shared-answers.ts";
import type { UnixSeconds } from "../../../src/domain/time.ts";
import { virtualClock } from "../../memory/virtual-clock.ts";

// Goal: one question is asked for all who are content with an answer of its age, and nobody is given an older one, or another's.

const answerOf = (text: string, status = 200): SharedAnswer => ({
  status,
  mediaType: "application/proto",
  body: Uint8Array.from(Buffer.from(text)),
});

function scene() {
  const clock = virtualClock(1_800_000_000 as UnixSeconds);
  const shared = createSharedAnswers(clock);
  let asked = 0;
  const ask = async () => {
    asked += 1;
    return answerOf(`answer ${asked}`);
  };
  const told = async (key: string, maxAgeMs: number) =>
    Buffer.from((await shared.answer(key, maxAgeMs, ask)).body).toString();
  return { clock, shared, told };
}

test("an answer does for as long as somebody is content with its age", async () => {
  const { clock, told } = scene();
  expect(await told("who what", 3_000)).toBe("answer 1");
  clock.advance(3_000);
  expect(await told("who what", 3_000)).toBe("answer 1");
  expect(await told("who what", 2_999)).toBe("answer 2");
});

test("no answer is kept for longer than five seconds, whatever somebody is content with", async () => {
  const { clock, told } = scene();
  expect(await told("who what", 999_000)).toBe("answer 1");
  clock.advance(5_001);
  expect(await told("who what", 999_000)).toBe("answer 2");
});

test("who asks at the same time waits for the same answer", async () => {
  const { told } = scene();
  expect(await Promise.all([told("who what", 1), told("who what", 1)])).toEqual(["answer 1", "answer 1"]);
});

test("another's question, and another question, have answers of their own", async () => {
  const { told } = scene();
  expect(await told("one what", 3_000)).toBe("answer 1");
  expect(await told("other what", 3_000)).toBe("answer 2");
  expect(await told("one else", 3_000)).toBe("answer 3");
});

test.each([
  ["a refusal", () => Promise.resolve(answerOf("no", 403))],
  ["a failure", () => Promise.reject(new Error("away"))],
])("%s is for whoever asked alone", async (_, refusing) => {
  const { shared, told } = scene();
  await shared.answer("who what", 3_000, refusing).catch(() => undefined);
  expect(await told("who what", 3_000)).toBe("answer 1");
});

test("of more than a hundred questions the oldest answers make room", async () => {
  const { told } = scene();
  for (let count = 0; count <= 100; count += 1) await told(`who ${count}`, 3_000);
  expect(await told("who 100", 3_000)).toBe("answer 101");
  expect(await told("who 0", 3_000)).toBe("answer 102");
});
