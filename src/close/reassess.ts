import { type Judgement, type JudgeStepsPorts, judgeSteps } from "../decide/judge-steps.ts";
import { BrokerError } from "../domain/errors.ts";
import type { RecordedRisk } from "../domain/risk.ts";
import { isRiskier, type RiskLevel, type RiskScope, riskScopesOf } from "../domain/risk.ts";
import { factScopesOf } from "../domain/run-facts.ts";
import { hasExpired, type Step } from "../domain/step.ts";
import { microsOf, type UnixSeconds } from "../domain/time.ts";
import { type Charges, chargesAmong } from "../follow/charge.ts";
import type { KeptSteps } from "../follow/step-directory.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import type { EntryDirectory, StepDirectory } from "../ports/directories.ts";
import type { Committed, Following, InForce } from "../ports/following.ts";
import type { Ledger } from "../ports/ledger.ts";
import type { PolicyReads } from "../ports/ledger-reads.ts";
import type { PoliciesInForce } from "../ports/policy-engine.ts";
import { type Cause, type CauseKey, createCauses, type Due, isBehind, type JudgedSoFar } from "./causes.ts";

/** Judges open steps anew whenever something changes that decides about them, and closes what is not permitted any more. */
export type Reassessment = {
  readonly following: Following;
  /** What judging came to on the event of this sequence, once it is done or the time is over. */
  outcome(key: CauseKey, sequence: number, waitMs: number): Promise<JudgedSoFar>;
  /** Whether there is a change that open steps may not have been judged on yet. */
  isAtWork(): boolean;
  /** How many open steps wait to be judged. */
  waiting(): number;
  /** The risk that is in force, by scope; without what is `low`. */
  risks(): ReadonlyMap<RiskScope, RiskLevel>;
  /** Why open steps have waited for long, in words for the operator; `undefined` while they have not. */
  behind(): string | undefined;
  stop(): void;
};

export type ReassessPorts = Omit<JudgeStepsPorts, "clock"> & {
  readonly ledger: Pick<Ledger, "follow" | "perform">;
  readonly stepDirectory: Pick<StepDirectory, "open"> &
    Pick<KeptSteps, "onMoved"> & { readonly following: Pick<Following, "position" | "reached"> };
  /** What policies are in force is known up to the position of this follower. */
  readonly policiesFollowing: Pick<Following, "reached">;
  readonly entries: Pick<EntryDirectory, "byId">;
  /** Absent: the ledger is shared with nobody. */
  readonly charges?: Charges;
  readonly recorded: Pick<PolicyReads, "risks">;
  /** Waits until steps that were closed have ended for verifiers too. */
  readonly inForce: InForce;
  readonly clock: Clock;
  readonly failed: (error: unknown) => void;
};

/**
 * Steps that are recorded in one act. What is closed takes two events and several reads each, and the acts of others wait
 * for that long: a few milliseconds.
 */
const RECORDED_TOGETHER_MAX = 12;
/** Steps that are looked at in one turn of the event loop: a millisecond. */
const LOOKED_AT_TOGETHER_MAX = 500;
/** How long to wait when steps could not be judged, or their judgement not be recorded. */
const RETRY_MS = 1_000;
/** Steps that have waited for this long wait for something to be mended. */
const BEHIND_MS = 15_000;

/**
 * Takes up every open step that was not judged on what is in force now, and follows the ledger from there.
 *
 * @throws BrokerError LEDGER_UNAVAILABLE, NOT_SERVING
 */
export async function keepReassessing(ports: ReassessPorts): Promise<Reassessment> {
  const { clock, stepDirectory, charges: charge = chargesAmong(undefined) } = ports;
  const through = stepDirectory.following.position();
  /** Each broker judges the steps that it keeps, so that each is judged once. */
  const ownOpen = () => stepDirectory.open().filter((step) => charge.of(step) !== "another's");
  const causes = createCauses();
  /** The newest change that decides about steps; what was before this broker began may have been one. */
  let newest: Pick<Cause, "sequence" | "isUnrecorded"> = { sequence: through, isUnrecorded: true };
  /** What was said last of each scope, as long as it has not lapsed. */
  const risks = new Map<RiskScope, { readonly level: RiskLevel; readonly lapse: Cancel }>();
  let hasNews = false;
  let isRunning = false;
  let isOver = false;
  let waiting = 0;
  let waitingSinceMs: number | undefined;
  let failure: string | undefined;
  let cancelRetry: Cancel = () => undefined;

  function changed(cause: Cause): void {
    newest = cause;
    judge(cause);
  }

  function judge(cause: Cause): void {
    causes.add(cause);
    hasNews = true;
    wake();
  }

  /** Has steps judged that may have waited for it at another broker. */
  function judgeAnew(steps: readonly Step[]): void {
    if (steps.length === 0) return;
    const only = new Set(steps.map(({ stepId }) => stepId));
    judge({ key: "start", sequence: following.position(), isUnrecorded: true, only });
  }

  function setRisk(scope: RiskScope, level: RiskLevel, expiresAt: UnixSeconds): void {
    risks.get(scope)?.lapse();
    if (level === "low" || hasExpired(expiresAt, clock.now())) {
      risks.delete(scope);
      return;
    }
    const leftMs = Math.max(0, Math.ceil((microsOf(expiresAt) - clock.now()) / 1_000));
    risks.set(scope, { level, lapse: clock.schedule(leftMs, () => lapsed(scope)) });
  }

  function lapsed(scope: RiskScope): void {
    risks.delete(scope);
    changed({ key: scope, sequence: following.position(), isUnrecorded: true });
  }

  function causeOf({ event, sequence }: Committed): Cause | undefined {
    switch (event.type) {
      case "risk.set": {
        const { scope, level, expiresAt } = event;
        const isRise = isRiskier(level, risks.get(scope)?.level ?? "low");
        setRisk(scope, level, expiresAt);
        return { key: scope, sequence, ...(isRise ? { isRise } : {}) };
      }
      case "policy_set.activated":
        return { key: "policies", sequence };
      case "federation.put":
      case "federation.ended":
        return { key: "federation", sequence };
      case "entry.put":
        // No step is open yet of an entry that is new.
        return event.entry.revision === 1 ? undefined : { key: `entry:${event.entry.entryId}`, sequence };
      case "entry.retired":
        return { key: `entry:${event.entryId}`, sequence };
      default:
        return undefined;
    }
  }

  function take(committed: Committed): void {
    const cause = causeOf(committed);
    if (cause !== undefined) changed(cause);
  }

  function wake(): void {
    if (isRunning || isOver) return;
    isRunning = true;
    cancelRetry();
    void run();
  }

  async function run(): Promise<void> {
    try {
      while (!causes.isEmpty() && !isOver) {
        // Whatever else was committed with the change is taken first.
        await nextTurn();
        await pass();
      }
      failure = undefined;
    } catch (thrown) {
      if (isOver) return;
      if (failure === undefined) ports.failed(thrown);
      failure = thrown instanceof BrokerError ? thrown.message : "they can't be judged";
      cancelRetry = clock.schedule(RETRY_MS, wake);
    } finally {
      isRunning = false;
    }
  }

  /** Judges what is due, until there is news that may have other steps come first. */
  async function pass(): Promise<void> {
    const position = following.position();
    const isKnown = [stepDirectory.following.reached(position), ports.policiesFollowing.reached(position)];
    if (!(await Promise.all(isKnown)).every((one) => one)) throw notKnown();
    // Where no set of policies is in force nothing can be denied; the next one that is has every step judged.
    const { version } = await ports.policies.inForce();
    const found = causes.lookForDue();
    const open = version === 0 ? [] : ownOpen();
    for (let start = 0; start < open.length && !isOver; start += LOOKED_AT_TOGETHER_MAX) {
      found.look(open.slice(start, start + LOOKED_AT_TOGETHER_MAX));
      await nextTurn();
    }
    if (isOver) return;
    const due = found.inOrder();
    note(due.length);
    causes.settle(position, found);
    // Of what has changed while steps were looked at they are judged next: some are judged in between, whatever changes.
    hasNews = false;
    const failed: unknown[] = [];
    let recording = Promise.resolve();
    for (let start = 0; start < due.length && !hasNews && !isOver; start += RECORDED_TOGETHER_MAX) {
      const together = due.slice(start, start + RECORDED_TOGETHER_MAX);
      const judgements = await judgeSteps(
        together.map(({ step }) => step),
        ports,
      );
      await recording;
      if (isOver) return;
      // The next steps are judged while these are recorded, which another thread does.
      recording = record(together, judgements, position).then((failures) => {
        // Those that can't be judged now keep nobody behind them waiting.
        failed.push(...failures);
        note(due.length - start - RECORDED_TOGETHER_MAX);
      });
      // It is thrown where the recording is waited for.
      recording.catch(() => undefined);
      await nextTurn();
    }
    await recording;
    if (failed.length > 0 && !hasNews) throw failed[0];
  }

  function note(count: number): void {
    waiting = Math.max(0, count);
    if (waiting === 0) waitingSinceMs = undefined;
    else waitingSinceMs ??= clock.monotonicMs();
  }

  /** @returns what kept steps from being judged. */
  async function record(
    due: readonly Due[],
    judgements: readonly Judgement[],
    position: number,
  ): Promise<readonly unknown[]> {
    const judged = judgements.flatMap((one) => ("judged" in one ? [one.judged] : []));
    if (judged.length > 0) {
      const result = await ports.ledger.perform({ act: "judge-steps", through: position, judged, now: clock.now() });
      // Those who wait are told once it holds.
      if (result.stepsClosed > 0) await ports.inForce(result.sequence);
      const standing = new Set(judged.map(({ stepId }) => stepId));
      for (const stepId of result.outdated) standing.delete(stepId);
      causes.judged(
        due.filter(({ step }) => standing.has(step.stepId)),
        result.stepsClosed,
      );
    }
    return judgements.flatMap((one) => ("failure" in one ? [one.failure] : []));
  }

  /** What changed before, as far as open steps may not have been judged on it. */
  function takeUp(inForce: Pick<PoliciesInForce, "sequence">, known: readonly RecordedRisk[]): void {
    const now = clock.now();
    const only = new Set<string>();
    for (const { scope, level, expiresAt, sequence } of known) {
      setRisk(scope, level, expiresAt);
      causes.add({ key: scope, sequence, ...(level === "low" ? {} : { isRise: true }) });
    }
    causes.add({ key: "policies", sequence: inForce.sequence });
    // Of a lapse, and of a change of an entry that is older than the step's last judgement, no step says whether it was
    // judged since: it is judged once too often.
    const lapses = known.filter(({ level, expiresAt }) => level !== "low" && hasExpired(expiresAt, now));
    for (const step of ownOpen()) {
      const isChanged = [step.agentEntryId, step.openerEntryId].some(
        (entryId) => (ports.entries.byId(entryId)?.updatedAt ?? 0) > step.openedAt,
      );
      const scopes = riskScopesOf(step.agent, factScopesOf(step));
      const hasLapsed = lapses.some((one) => scopes.includes(one.scope) && step.openedAt < microsOf(one.expiresAt));
      if (isChanged || hasLapsed) only.add(step.stepId);
    }
    causes.add({ key: "start", sequence: through, isUnrecorded: true, only });
  }

  takeUp(...(await Promise.all([ports.policies.inForce(), ports.recorded.risks(0 as UnixSeconds)])));
  const following = ports.ledger.follow({ name: "judging", take }, through);
  // Steps of a broker that is gone may not have been judged on what changed while it seemed to be there.
  const stopCharges = charge.onChange((isConcerned) => {
    judgeAnew(stepDirectory.open().filter((step) => isConcerned(step) && charge.of(step) === "orphan"));
  });
  // Nor those that are held here from now on, which that one judges no more.
  const stopMoves = stepDirectory.onMoved((step) => {
    if (charge.of(step) === "own" && isBehind(step, newest)) judgeAnew([step]);
  });
  wake();

  return {
    following,
    async outcome(key, sequence, waitMs) {
      if (waitMs === 0 || !(await following.reached(sequence))) return { ...NOTHING_YET, isSettled: false };
      const waited = Promise.withResolvers<void>();
      const cancel = clock.schedule(waitMs, waited.resolve);
      const outcome = await causes.outcome(key, sequence, waited.promise);
      cancel();
      return outcome;
    },
    isAtWork: () => !causes.isEmpty(),
    waiting: () => waiting,
    risks: () => new Map([...risks].map(([scope, { level }]) => [scope, level])),
    behind() {
      const isLong = waitingSinceMs !== undefined && clock.monotonicMs() - waitingSinceMs > BEHIND_MS;
      if (failure === undefined && !isLong) return undefined;
      return `open steps wait to be judged anew${failure === undefined ? "" : `: ${failure}`}`;
    },
    stop() {
      isOver = true;
      following.end();
      stopCharges();
      stopMoves();
      cancelRetry();
      for (const { lapse } of risks.values()) lapse();
    },
  };
}

const NOTHING_YET = { stepsJudged: 0, stepsClosed: 0 } as const;

function notKnown(): BrokerError {
  return new BrokerError("NOT_SERVING", "what is in force is not known");
}

/** Lets everybody else come first: what is judged waits for nobody, and others wait for an answer. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
