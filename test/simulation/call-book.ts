import type { CallAnswer } from "../../src/check/answer-denials.ts";
import type { UnixMicros } from "../../src/domain/time.ts";

/** When a call was asked about, and in which life of the broker. */
type Asked = { readonly askedAt: UnixMicros; readonly life: number };

/** What verifiers asked about calls, and what they were told. */
export type CallBook = {
  /** How many calls were asked about in each life of the broker. */
  readonly asked: Map<number, number>;
  readonly answers: (Asked & { readonly answer: CallAnswer })[];
  /** Questions of which nobody could know what became of them. */
  readonly unanswered: Asked[];
  /** Questions that were refused themselves; with the decision that says so, where there is one. */
  readonly refusals: (Asked & { readonly decisionId?: string })[];
};

export function createCallBook(): CallBook {
  return { asked: new Map(), answers: [], unanswered: [], refusals: [] };
}
