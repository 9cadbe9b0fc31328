import type { Denial } from "../domain/errors.ts";
import type { LedgerEvent } from "../domain/ledger-event.ts";
import type { ActName, LedgerAct, ResultOf } from "../ports/ledger-acts.ts";
import type { LedgerView } from "./view.ts";

/**
 * Says what an act may do: from the act, and the rows that the rule asks for, it makes events or a refusal. A rule
 * reads no clock and writes nothing, so that all databases share the rules: an adapter answers the questions inside the
 * group's transaction, appends the events and projects them.
 */
export type Rule<Name extends ActName> = (
  act: LedgerAct<Name>,
) => Deliberation<ResultOf<Name>> | Ruling<ResultOf<Name>>;

/** A rule under way: asks in rounds, and ends with a ruling. */
export type Deliberation<Result> = Generator<Questions, Ruling<Result>, Answers>;

/** The events to be appended, and the answer, which may name the sequence that the first event is given. */
export type Ruling<Result> = {
  readonly events: readonly LedgerEvent[];
  readonly answer: (firstSequence: number) => Result;
};

/** Each round is a round trip to a database in another process, within a transaction that other acts wait for. */
const ROUNDS_MAX = 3;

type ReadName = keyof LedgerView;

/** One read of the view, by its name. */
export type Question<Name extends ReadName = ReadName> = {
  readonly read: Name;
  readonly parameters: Parameters<LedgerView[Name]>;
};

/** One round of reads; no read in it needs the answer of another. */
export type Questions = Readonly<Record<string, Question | readonly Question[] | undefined>>;
export type Answers = Readonly<Record<string, unknown>>;

type AnswerTo<Asked> =
  Asked extends Question<infer Name>
    ? ReturnType<LedgerView[Name]>
    : Asked extends readonly Question<infer Name>[]
      ? readonly ReturnType<LedgerView[Name]>[]
      : undefined;

export function read<Name extends ReadName>(name: Name, ...parameters: Parameters<LedgerView[Name]>): Question<Name> {
  return { read: name, parameters };
}

/** Asks one round. A question that is `undefined` is answered with `undefined`. */
export function* ask<Asked extends Questions>(
  questions: Asked,
): Generator<Questions, { readonly [Key in keyof Asked]: AnswerTo<Asked[Key]> }, Answers> {
  // `answersOf` gives each answer the key of its question.
  return (yield questions) as { readonly [Key in keyof Asked]: AnswerTo<Asked[Key]> };
}

export function refused(denial: Denial): Ruling<Denial> {
  return { events: [], answer: () => denial };
}

export function recorded<Result>(
  events: readonly LedgerEvent[],
  answer: (firstSequence: number) => Result,
): Ruling<Result> {
  return { events, answer };
}

/** A ruling that needs nothing to be recorded. */
export function answered<Result>(result: Result): Ruling<Result> {
  return { events: [], answer: () => result };
}

/**
 * Carries a deliberation to its ruling, on a view that answers at once; a ruling is given back as it is.
 *
 * @throws RangeError for a rule that asks more than `ROUNDS_MAX` times, which would be too slow on a remote database;
 *   and what rule and view throw
 */
export function deliberate<Result>(
  deliberation: Deliberation<Result> | Ruling<Result>,
  view: LedgerView,
): Ruling<Result> {
  if ("events" in deliberation) return deliberation;
  let turn = deliberation.next({});
  for (let round = 1; turn.done !== true; round += 1) {
    if (round > ROUNDS_MAX) throw new RangeError(`a rule asked more than ${ROUNDS_MAX} times`);
    turn = deliberation.next(answersOf(turn.value, view));
  }
  return turn.value;
}

function answersOf(questions: Questions, view: LedgerView): Answers {
  const answers: Record<string, unknown> = {};
  for (const key in questions) {
    const asked = questions[key];
    if (asked === undefined) continue;
    answers[key] = "read" in asked ? answerTo(asked, view) : asked.map((one) => answerTo(one, view));
  }
  return answers;
}

function answerTo<Name extends ReadName>({ read: name, parameters }: Question<Name>, view: LedgerView): unknown {
  const answer = view[name] as (...parameters: Parameters<LedgerView[Name]>) => unknown;
  return answer(...parameters);
}
