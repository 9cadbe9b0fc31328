import { sha256Hex } from "../domain/digest.ts";
import { BrokerError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import { createTokenBuckets } from "../domain/token-buckets.ts";
import type { Clock } from "../ports/clock.ts";
import type { PresentedCredential } from "./call-request.ts";

/** Bounds how many calls one verifier asks about, each of which is a row of the ledger, and how many of them for one step. */
export type CallRate = {
  /** For what is no question about a call. @throws BrokerError LIMIT_EXCEEDED, having taken nothing */
  take(entryId: string): void;
  /**
   * Before the credential is looked at, so that whoever is refused costs no more than that.
   *
   * @throws BrokerError LIMIT_EXCEEDED, having taken nothing
   */
  takeCall(entryId: string, credential: PresentedCredential): TakenCall;
};

export type TakenCall = {
  /** The call's credential has held: it is the step's from now on, and so is the call. */
  held(stepId: string): void;
};

/**
 * A call is its step's once its credential has held. What a credential says of itself before that is believed by nobody:
 * with a made-up name somebody could spend another's share, and with many of them have many. So all calls whose credential
 * has not held before draw on one share of their verifier's, and give it back when it holds.
 */
export function createCallRate(clock: Pick<Clock, "monotonicMs">): CallRate {
  const { checksPerSecondPerVerifier, checkBurstPerVerifier, checksPerSecondPerStep, checkBurstPerStep } = LIMITS;
  const verifiers = createTokenBuckets({ perSecond: checksPerSecondPerVerifier, burst: checkBurstPerVerifier });
  const shares = createTokenBuckets({ perSecond: checksPerSecondPerStep, burst: checkBurstPerStep });
  /** Steps by the digest of a credential that has held, the one that was used longest ago first. */
  const steps = new Map<string, string>();

  function keep(digest: string, stepId: string): void {
    steps.delete(digest);
    steps.set(digest, stepId);
    const [oldest] = steps.keys();
    if (steps.size > LIMITS.checkCredentialsKnownMax && oldest !== undefined) steps.delete(oldest);
  }

  function checkVerifier(entryId: string, nowMs: number): void {
    if (verifiers.has(entryId, 1, nowMs)) return;
    throw exceeded("one verifier asks", checksPerSecondPerVerifier, checkBurstPerVerifier);
  }

  return {
    take(entryId) {
      const nowMs = clock.monotonicMs();
      checkVerifier(entryId, nowMs);
      verifiers.take(entryId, 1, nowMs);
    },
    takeCall(entryId, credential) {
      const nowMs = clock.monotonicMs();
      const digest = digestOf(credential);
      const stepId = steps.get(digest);
      if (stepId !== undefined) keep(digest, stepId);
      checkVerifier(entryId, nowMs);
      if (!shares.take(shareOf(entryId, stepId), 1, nowMs)) {
        const whose =
          stepId === undefined
            ? "by credentials that have not held before one verifier asks"
            : "for one step a verifier asks";
        throw exceeded(whose, checksPerSecondPerStep, checkBurstPerStep);
      }
      verifiers.take(entryId, 1, nowMs);
      return {
        held(whose) {
          if (stepId !== undefined) return;
          keep(digest, whose);
          shares.giveBack(shareOf(entryId, undefined), 1);
          // Taken whether as much is left or not: of calls at once the first ones were let in before one had shown whose they are.
          shares.take(shareOf(entryId, whose), 1, clock.monotonicMs());
        },
      };
    },
  };
}

/** @param stepId - undefined: of all whose credential has not held. */
function shareOf(entryId: string, stepId: string | undefined): string {
  return stepId === undefined ? entryId : `${entryId} ${stepId}`;
}

function digestOf(credential: PresentedCredential): string {
  return sha256Hex(credential.kind === "jwt-svid" ? credential.token : `${credential.witSvid} ${credential.txnToken}`);
}

function exceeded(whoAsks: string, perSecond: number, burst: number): BrokerError {
  return new BrokerError("LIMIT_EXCEEDED", `${whoAsks} about at most ${perSecond} calls a second, ${burst} at once`);
}
