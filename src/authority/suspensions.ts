import { denial } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Clock } from "../ports/clock.ts";
import type { IssuanceGate } from "../ports/directories.ts";

/**
 * A ledger that went back in time; a ledger that is being accepted as it is, whose keys are not yet replaced; a clock
 * that was behind the ledger at the start.
 */
type Cause = "rollback" | "restore" | "clock";

/** Why nothing is issued: of which kind that is, and in words. A clock that jumped is no cause that anybody lifts. */
export type Suspension = { readonly cause: Cause | "skew"; readonly why: string };

/** Why nothing is issued at present. */
export type Suspensions = IssuanceGate & {
  /** Stops issuance until `lift`. */
  suspend(cause: Cause, why: string): void;
  lift(cause: Cause): void;
  reasons(): readonly string[];
  conditions(): readonly Suspension[];
  /** Whether the ledger may have gone back in time: then it does not know all that was revoked. */
  ledgerIsDoubted(): boolean;
};

/** The causes that stop all issuance: a ledger that went back in time, and a clock that can't be believed. */
export function createSuspensions(clock: Clock): Suspensions {
  const causes = new Map<Cause, string>();

  function conditions(): readonly Suspension[] {
    const ofCauses = [...causes].map(([cause, why]) => ({ cause, why }));
    const skew = Math.abs(clock.skewSeconds());
    // Written as "not within", so that a clock that reads no number is not believed.
    if (skew <= LIMITS.clockSkewSecondsMax) return ofCauses;
    const why = `the wall clock departs by ${skew.toFixed(0)} s from the time since start; set it right, or confirm it`;
    return [...ofCauses, { cause: "skew", why }];
  }

  const reasons = () => conditions().map(({ why }) => why);

  return {
    refusal() {
      const [why] = reasons();
      return why === undefined ? undefined : denial("NOT_SERVING", `issuance is suspended: ${why}`);
    },
    suspend: (cause, why) => void causes.set(cause, why),
    lift: (cause) => void causes.delete(cause),
    reasons,
    conditions,
    ledgerIsDoubted: () => causes.has("rollback") || causes.has("restore"),
  };
}
