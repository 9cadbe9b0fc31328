import type { Selector } from "../domain/selector.ts";
import type { UnixSeconds } from "../domain/time.ts";

/** What an attestor of the attestation endpoint holds to be true of whoever presented the evidence. */
export type EvidenceFacts = {
  readonly selectors: ReadonlySet<Selector>;
  /** Of evidence that counts once: its digest, and until when it could be presented again. */
  readonly spends?: {
    /** SHA-256 of the evidence, hexadecimal: of what is signed of it, since one signature can often be written as another. */
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
 *
 * Of `oidc`, evidence is a JWT in compact serialization, and there is no challenge.
 *
 * Of `x509pop`, evidence is certificates in DER, one after another, the leaf first and the root left out or not. The challenge
 * is 32 bytes, and the answer the signature of the leaf's key over what `possessionProofOf` makes of it and the request:
 * of a P-256 key ECDSA with SHA-256, of a P-384 key ECDSA with SHA-384, both in DER; of an RSA key PSS with SHA-256, MGF1
 * with SHA-256 and a salt of 32 bytes.
 */
export type EvidenceAttestor = {
  /**
   * @param evidence - as it was sent; never logged, recorded or repeated.
   * @param csr - the request for a certificate that came with it, DER: whatever proves possession is bound to it, or
   *   somebody in the middle could put his own beside an answer that he passes on.
   * @throws BrokerError NO_IDENTITY when it is not valid, expired, or of an issuer that is not trusted here; `detail` says
   *   why, for the log alone. INVALID_FIELD when it is no evidence at all.
   */
  attest(evidence: Uint8Array, challenger: Challenger, csr: Uint8Array): Promise<EvidenceFacts>;
};
