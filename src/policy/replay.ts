import { putTo } from "../decide/recorded-request.ts";
import { BrokerError } from "../domain/errors.ts";
import type { Grant } from "../domain/grant.ts";
import type { PolicySet } from "../domain/policy-set.ts";
import { sortedSet } from "../domain/sorted-set.ts";
import type { UnixMicros } from "../domain/time.ts";
import type { HistoryReads } from "../ports/ledger-reads.ts";
import type { PolicyAnswer, PolicyEngine } from "../ports/policy-engine.ts";
import { grantedOf, type ReplayedRequest, type RequestPorts, replayedRequests } from "./replayed-request.ts";

/** A decision that would be another under the candidate. */
export type Flip = {
  readonly recorded: ReplayedRequest;
  readonly effect: "allow" | "deny";
  /** Elements that would be granted and were not, and the other way round. */
  readonly gained: Grant;
  readonly lost: Grant;
  readonly policies: readonly string[];
  readonly errors: readonly string[];
};

export type Progress = {
  readonly decisions: number;
  /** Of these, those that could not be decided again. */
  readonly skipped: number;
  /** How much of the time that was asked for is behind, 0 to 1. */
  readonly share: number;
  readonly isComplete: boolean;
};

export type ReplayFilter = {
  readonly since?: UnixMicros;
  readonly until: UnixMicros;
  readonly agent?: string;
};

export type ReplayPorts = RequestPorts & {
  readonly history: Pick<HistoryReads, "evaluated">;
  /** An engine of its own: what is replayed must not keep a decision waiting. */
  readonly startEngine: () => PolicyEngine;
};

/** Decisions that are read, and decided again, together. */
const PAGE_ROWS = 500;
/** Under which the candidate is asked; its engine knows no other set. */
const ROOT = "candidate";

/** What is answered where no set is in force: the ceilings alone decide. */
const CEILINGS: PolicyAnswer["whole"] = { effect: "allow", policies: [] };

/**
 * Decides recorded requests once more, each in its own recorded situation, under other policies. What would have followed
 * from a decision that came out otherwise is not followed.
 *
 * @param candidate - `undefined`: no policies, the ceilings alone.
 * @param signal - ends the replay.
 * @throws BrokerError INVALID_FIELD for a candidate that the engine does not take; LEDGER_UNAVAILABLE
 */
export async function* replay(
  candidate: PolicySet | undefined,
  filter: ReplayFilter,
  ports: ReplayPorts,
  signal: AbortSignal,
): AsyncGenerator<Flip | Progress, void, void> {
  const engine = ports.startEngine();
  try {
    if (candidate !== undefined) await engine.load(ROOT, candidate);
    const recordedOf = replayedRequests(ports);
    let decisions = 0;
    let skipped = 0;
    for (let after = 0; !signal.aborted; ) {
      const rows = await ports.history.evaluated({ ...filter, after, limit: PAGE_ROWS });
      const requests: (ReplayedRequest | undefined)[] = [];
      for (const row of rows) requests.push(await recordedOf(row));
      const flips = await Promise.all(
        requests.map((one) => (one === undefined ? undefined : flipOf(one, candidate, engine))),
      );
      decisions += rows.length;
      skipped += requests.filter((one) => one === undefined).length;
      for (const flip of flips) if (flip !== undefined) yield flip;
      const last = rows.at(-1);
      const isComplete = last === undefined || rows.length < PAGE_ROWS;
      yield { decisions, skipped, share: isComplete ? 1 : shareOf(filter, last.decidedAt), isComplete };
      if (isComplete) return;
      after = last.sequence;
    }
  } finally {
    await engine.close();
  }
}

async function flipOf(
  recorded: ReplayedRequest,
  candidate: PolicySet | undefined,
  engine: PolicyEngine,
): Promise<Flip | undefined> {
  const { decision, request } = recorded;
  const answer = candidate === undefined ? undefined : await answerOf(recorded, candidate, engine);
  const whole = answer?.whole ?? CEILINGS;
  const elements = request.elements.map((_, index) => (answer === undefined ? CEILINGS : answer.elements[index]));
  const after = grantedOf(recorded, (index) => elements[index]?.effect === "allow", whole.effect === "allow");
  const before = decision.effect === "allow" ? decision.granted : undefined;
  const gained = without(after ?? [], before ?? []);
  const lost = without(before ?? [], after ?? []);
  if ((before === undefined) === (after === undefined) && gained.length + lost.length === 0) return undefined;
  const effects = [whole, ...elements.filter((one) => one !== undefined)];
  // What speaks against it, where it is against it that they speak.
  const telling = after === undefined ? effects.filter(({ effect }) => effect === "deny") : effects;
  return {
    recorded,
    effect: after === undefined ? "deny" : "allow",
    gained,
    lost,
    policies: sortedSet(telling.flatMap(({ policies }) => policies)),
    errors: sortedSet(effects.flatMap(({ errors = [] }) => errors)),
  };
}

/** A request that is too large for the engine is refused by it, in a replay as at its time. */
async function answerOf(
  recorded: ReplayedRequest,
  { dataClasses }: PolicySet,
  engine: PolicyEngine,
): Promise<PolicyAnswer> {
  try {
    return await engine.evaluate(ROOT, putTo(dataClasses, recorded.request));
  } catch (thrown) {
    if (!(thrown instanceof BrokerError) || thrown.code !== "LIMIT_EXCEEDED") throw thrown;
    return { whole: { effect: "deny", policies: [] }, elements: [] };
  }
}

function shareOf({ since, until }: ReplayFilter, at: UnixMicros): number {
  if (since === undefined) return 0;
  return Math.min(Math.max((at - since) / Math.max(until - since, 1), 0), 1);
}

function without(elements: Grant, others: Grant): Grant {
  const known = new Set(others.map((element) => JSON.stringify(element)));
  return elements.filter((element) => !known.has(JSON.stringify(element)));
}
