import type { Selector } from "../domain/selector.ts";
import type { UnixSeconds } from "../domain/time.ts";

/** What an attestor of the attestation endpoint holds to be true of whoever presented the evidence. */
export type EvidenceFacts = {
  readonly selectors: ReadonlySet<Selector>;
  /** Present for evidence that counts once: its digest, and until when the evidence could be presented again. */
  readonly spends?: {
    /** SHA-256, hexadecimal, of the evidence's signed part: one signature can often be written in several ways. */
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
 * The selectors that an attestor gives are true; whatever else the evidence claims is ignored.
 *
 * For `oidc`, evidence is a JWT in compact serialization, and there is no challenge.
 *
 * For `x509pop`, evidence is certificates in DER, one after another: the leaf first, the root last or left out. The
 * challenge is 32 bytes. The answer is a signature by the leaf's key over what `possessionProofOf` makes of challenge
 * and request: for a P-256 key ECDSA with SHA-256, for a P-384 key ECDSA with SHA-384, both in DER; for an RSA key PSS
 * with SHA-256, MGF1 with SHA-256 and a salt of 32 bytes.
 */
export type EvidenceAttestor = {
  /**
   * @param evidence - as it was sent; never logged, recorded or repeated.
   * @param csr - the request for a certificate that came with the evidence, DER: a proof of possession is bound to this
   *   request, or somebody in the middle could pass the answer on with a request of his own.
   * @throws BrokerError NO_IDENTITY when the evidence is not valid, expired, or of an issuer that is not trusted here;
   *   `detail` says why, for the log alone. INVALID_FIELD when the bytes are no evidence at all.
   */
  attest(evidence: Uint8Array, challenger: Challenger, csr: Uint8Array): Promise<EvidenceFacts>;
};
