import type { BrokerError } from "../../domain/errors.ts";
import type { TrustDomain } from "../../domain/spiffe-id.ts";
import type { StepSignal } from "./denial-signals.ts";
import type { TrustBundle } from "./feed-messages.ts";
import type { Unfitness } from "./freshness.ts";
import type { Verified } from "./verified-step.ts";
import type { VerifierStatus } from "./verifier-contract.ts";

/** Where a verifier has its keys from, and hears of what has ended. */
export type RevocationSource = {
  readonly bundles: ReadonlyMap<TrustDomain, TrustBundle>;
  /** Whether the end of a step is told of after the token has expired that it was known by. */
  readonly outlastsTokens: boolean;
  /** Why nothing can be told at present, whatever is presented; `undefined` when something can. */
  unfitness(boundMs: number): Unfitness | undefined;
  /**
   * @throws VerificationError REVOKED for what has ended; NOT_READY, STALE or CLOCK_SKEWED where that can't be told; and for what
   *   nothing would ever tell of, CLAIMS_INVALID or CERTIFICATE_INVALID
   */
  checkNotEnded(verified: Verified, boundMs: number): void;
  /** Has at hand what judging a token takes, if it can be had; never throws. Absent: everything is at hand. */
  readonly learn?: (token: string) => Promise<void>;
  signalFor(verified: Verified): StepSignal;
  status(boundMs: number): Omit<VerifierStatus, "usage" | "bundles">;
  /** What would keep it from being ready however long one waits. */
  lastingFault(): BrokerError | undefined;
  /** For people: what it waits for until it is ready. */
  awaited(): string;
  close(): void;
};

export type SourceEvents = {
  /** Called whenever something may be ready, or has failed. */
  readonly onChange: () => void;
};
