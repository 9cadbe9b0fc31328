import type { Decision } from "../domain/decision.ts";
import type { Denial } from "../domain/errors.ts";
import { ID_RANDOM_BYTES, newId } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Clock } from "../ports/clock.ts";
import type { Ledger } from "../ports/ledger.ts";
import type { Randomness } from "../ports/randomness.ts";

export type DenialRecorder = {
  /** Records a deny; resolves once it is durable, or at once when it only adds to a count. Never throws. */
  record(decision: Decision): Promise<void>;
};

type Window = { readonly endsAtMs: number; recorded: number; pending: Decision | undefined; pendingCount: number };

const WINDOW_MS = 60_000;
/** Callers and reasons told apart at one time; past it the oldest window is closed early. */
const WINDOWS_MAX = 10_000;

/**
 * Records denials, the first ten a minute of one caller and reason each by itself, the rest as one decision with a
 * count: a caller in a loop must not be able to fill the ledger.
 */
export function createDenialRecorder(ports: {
  readonly ledger: Ledger;
  readonly clock: Clock;
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

  function flush(key: string): void {
    const window = windows.get(key);
    windows.delete(key);
    if (window?.pending === undefined) return;
    void write({ ...window.pending, count: window.pendingCount });
  }

  return {
    async record(decision) {
      const key = `${decision.callerEntryId ?? ""} ${decision.act} ${decision.reason ?? ""}`;
      const nowMs = ports.clock.monotonicMs();
      let window = windows.get(key);
      if (window === undefined || window.endsAtMs <= nowMs) {
        flush(key);
        const [oldest] = windows.keys();
        if (windows.size >= WINDOWS_MAX && oldest !== undefined) flush(oldest);
        window = { endsAtMs: nowMs + WINDOW_MS, recorded: 0, pending: undefined, pendingCount: 0 };
        windows.set(key, window);
        ports.clock.schedule(WINDOW_MS, () => flush(key));
      }
      if (window.recorded < LIMITS.denialsRecordedPerMinute) {
        window.recorded += 1;
        await write(decision);
        return;
      }
      window.pending = decision;
      window.pendingCount += 1;
    },
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

/** The decision that a caller is nobody the broker knows. */
export function refusedIdentity(clock: Pick<Clock, "now">, random: Randomness): Decision {
  const now = clock.now();
  return {
    decisionId: newId("decision", now, random.bytes(ID_RANDOM_BYTES)),
    act: "attest",
    effect: "deny",
    reason: "NO_IDENTITY",
    decidedAt: now,
    requested: [],
    granted: [],
    refused: [],
    determiningPolicies: [],
    policyDigest: "",
    count: 1,
  };
}
