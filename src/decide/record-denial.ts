import type { Decision } from "../domain/decision.ts";
import type { Denial } from "../domain/errors.ts";
import type { Grant } from "../domain/grant.ts";
import { ID_RANDOM_BYTES, newId } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import type { Ledger } from "../ports/ledger.ts";
import type { Randomness } from "../ports/randomness.ts";

export type DenialRecorder = {
  /**
   * Records a deny. Never throws.
   *
   * @param uid - of the process that was refused; absent over a network.
   * @returns the id of the decision by which the deny is found: this decision, once it is durable; or, past the limit,
   *   the decision that counts the further denials, which is written when the minute is over
   */
  record(decision: Decision, uid: number | undefined): Promise<string>;
  /** Writes the decisions that still count denials, and resolves once they are durable. */
  flush(): Promise<void>;
};

type Window = {
  recorded: number;
  /** The decision that stands for all denials past the limit, with their count so far. */
  counting: Decision | undefined;
  readonly cancel: Cancel;
};

const WINDOW_MS = 60_000;
/** Combinations of caller and reason told apart at one time; past this number the oldest window is closed early. */
const WINDOWS_MAX = 10_000;

/**
 * Records denials. Of one user, entry, agent, act and reason, the first ten a minute are recorded one by one, and the
 * rest as one decision with a count. A caller in a loop must not be able to fill the ledger, nor to pass for many
 * callers by new processes or invented names.
 */
export function createDenialRecorder(ports: {
  readonly ledger: Pick<Ledger, "perform">;
  readonly clock: Clock;
  /** Whether an agent of this name is registered. A caller can ask for as many names as it likes. */
  readonly isAgent: (name: string) => boolean;
  readonly failed: (error: unknown) => void;
}): DenialRecorder {
  const windows = new Map<string, Window>();

  async function write(decision: Decision): Promise<void> {
    try {
      await ports.ledger.perform({ act: "record-decision", decision, now: ports.clock.now() });
    } catch (thrown) {
      // The caller is refused either way; that the refusal could not be recorded is for readiness and the log.
      ports.failed(thrown);
    }
  }

  async function end(key: string): Promise<void> {
    const window = windows.get(key);
    windows.delete(key);
    window?.cancel();
    if (window?.counting !== undefined) await write(window.counting);
  }

  function begin(key: string): Window {
    const [oldest] = windows.keys();
    if (windows.size >= WINDOWS_MAX && oldest !== undefined) void end(oldest);
    const cancel = ports.clock.schedule(WINDOW_MS, () => void end(key));
    const window = { recorded: 0, counting: undefined, cancel };
    windows.set(key, window);
    return window;
  }

  return {
    async record(decision, uid) {
      const { callerEntryId, act, reason } = decision;
      const agent = decision.agent !== undefined && ports.isAgent(decision.agent) ? decision.agent : undefined;
      const key = JSON.stringify([uid, callerEntryId, agent, act, reason]);
      const window = windows.get(key) ?? begin(key);
      if (window.recorded < LIMITS.denialsRecordedPerMinute) {
        window.recorded += 1;
        await write(decision);
        return decision.decisionId;
      }
      window.counting = window.counting === undefined ? decision : counted(window.counting, decision);
      return window.counting.decisionId;
    },
    async flush() {
      await Promise.all([...windows.keys()].map(end));
    },
  };
}

/** Counts one more denial that a decision stands for; leaves out members that are not the same in all of these. */
function counted(standing: Decision, { agent, runId, step, attempt, stepId, requested }: Decision): Decision {
  const { agent: ofAgent, runId: ofRun, step: ofStep, attempt: ofAttempt, stepId: ofStepId, ...rest } = standing;
  const isSameGrant = JSON.stringify(standing.requested) === JSON.stringify(requested);
  return {
    ...rest,
    ...(ofAgent !== undefined && ofAgent === agent ? { agent } : {}),
    ...(ofRun !== undefined && ofRun === runId ? { runId } : {}),
    ...(ofStep !== undefined && ofStep === step ? { step } : {}),
    ...(ofAttempt !== undefined && ofAttempt === attempt ? { attempt } : {}),
    ...(ofStepId !== undefined && ofStepId === stepId ? { stepId } : {}),
    ...(isSameGrant ? {} : { requested: [], refused: [] }),
    count: standing.count + 1,
  };
}

/** Denials that are a decision about authority, as opposed to a call that was merely malformed or too late. */
const DECISIONS: ReadonlySet<Denial["code"]> = new Set([
  "NO_IDENTITY",
  "NOT_ENTITLED",
  "POLICY_DENIED",
  "GRANT_EXCEEDED",
  "DELEGATION_REFUSED",
  "AUDIENCE_INVALID",
  "EXECUTOR_GONE",
]);

export function isDecision(code: Denial["code"]): boolean {
  return DECISIONS.has(code);
}

/** What was refused, and to whom. */
export type Refused = Pick<Decision, "act" | "callerEntryId" | "agent" | "runId" | "step" | "attempt" | "stepId"> & {
  readonly reason: Denial["code"];
  /** Absent where the request asked for no element of a grant. */
  readonly requested?: Grant;
  readonly determiningPolicies?: readonly string[];
};

/** The decision that records a refusal of authority. */
export function denyOf(
  { requested = [], determiningPolicies = [], ...refused }: Refused,
  { clock, random }: { readonly clock: Pick<Clock, "now">; readonly random: Randomness },
): Decision {
  const now = clock.now();
  return {
    ...refused,
    decisionId: newId("decision", now, random.bytes(ID_RANDOM_BYTES)),
    effect: "deny",
    decidedAt: now,
    requested,
    granted: [],
    refused: requested,
    determiningPolicies,
    policyDigest: "",
    count: 1,
  };
}
