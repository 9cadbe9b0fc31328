import type { Selector } from "../domain/selector.ts";
import type { UnixSeconds } from "../domain/time.ts";

/** What an attestor of the attestation endpoint holds to be true of whoever presented the evidence. */
export type EvidenceFacts = {
  readonly selectors: ReadonlySet<Selector>;
  /** Of evidence that counts once: its digest, and until when it could be presented again. */
  readonly spends?: {
    /** SHA-256 of the evidence, hexadecimal. */
    readonly sha256: string;
    /** Exclusive. */
    readonly expiresAt: UnixSeconds;
  };
};

/** The other side of one attestation. */
export type Challenger = {
  /** Sends one challenge and waits for its answer; at most once. */
  challenge(challenge: Uint8Array): Promise<Uint8Array>;
};

/**
 * Judges one kind of evidence that a workload sends with its request, rather than what a connection says by itself.
 *
 * Selectors that it gives are true; what the evidence claims beyond them is nobody's concern.
 */
export type EvidenceAttestor = {
  /**
   * @param evidence - as it was sent; never logged, recorded or repeated.
   * @throws BrokerError NO_IDENTITY when it is not valid, expired, or of an issuer that is not trusted here; `detail` says
   *   why, for the log alone. INVALID_FIELD when it is no evidence at all.
   */
  attest(evidence: Uint8Array, challenger: Challenger): Promise<EvidenceFacts>;
};
