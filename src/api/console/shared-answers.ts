import type { Clock } from "../../ports/clock.ts";

/** An answer as it is sent. */
export type SharedAnswer = {
  readonly status: number;
  readonly mediaType: string;
  readonly body: Uint8Array<ArrayBuffer>;
};

/** Longer than any page asks to have an answer again. */
const KEPT_MS = 5_000;
const KEPT_MAX = 100;

/**
 * Answers that several pages are content with: while the ledger grows without a pause, all pages that look at the same ask the same, and what
 * one of them was told a moment ago is as good for the others.
 */
export function createSharedAnswers(clock: Pick<Clock, "monotonicMs">) {
  type Kept = { readonly beganMs: number; readonly answer: Promise<SharedAnswer> };
  const kept = new Map<string, Kept>();

  function makeRoom(nowMs: number): void {
    for (const [key, { beganMs }] of kept) if (nowMs - beganMs > KEPT_MS) kept.delete(key);
    const [oldest] = kept.keys();
    if (kept.size >= KEPT_MAX && oldest !== undefined) kept.delete(oldest);
  }

  return {
    /**
     * @param key - who asks what: answers are for those alone who may be told the same.
     * @param maxAgeMs - an answer that was begun no longer ago will do.
     */
    answer(key: string, maxAgeMs: number, ask: () => Promise<SharedAnswer>): Promise<SharedAnswer> {
      const nowMs = clock.monotonicMs();
      const found = kept.get(key);
      if (found !== undefined && nowMs - found.beganMs <= Math.min(maxAgeMs, KEPT_MS)) return found.answer;
      makeRoom(nowMs);
      const answer = ask();
      kept.set(key, { beganMs: nowMs, answer });
      // A refusal is for whoever asked; the next one asks again.
      answer.then(
        ({ status }) => status !== 200 && kept.delete(key),
        () => kept.delete(key),
      );
      return answer;
    },
  };
}
