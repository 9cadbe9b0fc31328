import type { PolicyAnswer, PolicyRequest } from "../../ports/policy-engine.ts";
import { createAnswered } from "./answered.ts";
import { ENTITIES, SITUATION } from "./situation.ts";

/** What of a request the policies could look at that were asked, apart from which questions there were. */
export type LookedAt = {
  /** Of the situation, by their path. */
  readonly parts: readonly string[];
  /** Whether one looks into the principal, and not just at which one it is. */
  readonly principal: boolean;
  /** Whether one looks at the step, its parent's or both. */
  readonly steps: boolean;
};

export type Remembered = {
  /** @param set - a number for the set, never used for another. */
  answerTo(set: number, request: PolicyRequest): PolicyAnswer | undefined;
  remember(set: number, request: PolicyRequest, answer: PolicyAnswer, lookedAt: LookedAt): void;
};

/**
 * Whole answers, remembered where they are asked for, so that what was asked before needs no other thread. Which policies
 * are asked follows from the questions alone, and so does what they could look at; that is remembered by the questions, and
 * the answer by the questions and what was looked at.
 */
export function createRemembered(): Remembered {
  const looks = createAnswered<LookedAt>();
  const answers = createAnswered<PolicyAnswer>();
  return {
    answerTo(set, request) {
      const questions = questionsIn(set, request);
      const lookedAt = looks.get(questions);
      return lookedAt && answers.get(keyOf(questions, request, lookedAt));
    },
    remember(set, request, answer, lookedAt) {
      // Another time is another question: it would not be asked again.
      if (lookedAt.parts.includes("at")) return;
      const questions = questionsIn(set, request);
      looks.set(questions, lookedAt);
      answers.set(keyOf(questions, request, lookedAt), answer);
    },
  };
}

/** All that decides which questions a request asks, which policies each is put to, and which of those can't be answered. */
function questionsIn(set: number, request: PolicyRequest): string {
  const { act, agent, approved, approvedPolicies, openerUnknown, parent, elements } = request;
  const flags = [act === "call", openerUnknown === true, parent !== undefined];
  return JSON.stringify([set, ...flags, agent, approved ?? null, approvedPolicies ?? null, elements]);
}

function keyOf(questions: string, request: PolicyRequest, { parts, principal, steps }: LookedAt): string {
  const { agent, name, parent } = request;
  return JSON.stringify([
    questions,
    parts.map((path) => SITUATION[path]?.(request) ?? null),
    ...(principal && request.principal !== undefined ? [ENTITIES.principal(request.principal)] : []),
    ...(steps ? [agent, name, parent ?? null] : []),
  ]);
}
