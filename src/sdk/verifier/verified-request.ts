import type { Action } from "../../domain/grant.ts";
import type { UnixSeconds } from "../../domain/time.ts";
import type { Possession } from "../../verify/confirmation-claim.ts";
import type { ProofState, ProofTerms } from "./proof-settings.ts";
import type { VerifiedStep, VerifiedWorkload } from "./verified-step.ts";

export type RequestOptions = ProofTerms & {
  /** One of the verifier's own; default: any of them. */
  readonly audience?: string;
  /** Hold it to the staleness bound of these; see `verify`. */
  readonly actions?: readonly Action[];
};

/** Who sent a request, and how that was shown. */
export type VerifiedRequest =
  | {
      readonly kind: "jwt-svid";
      readonly step: VerifiedStep;
      /** `none`: by the token alone. */
      readonly proof: "dpop" | "mtls" | "none";
      /** To be sent with the answer, as `DPoP-Nonce`. */
      readonly dpopNonce?: string;
    }
  /** A WIT-SVID with its proof, and a transaction token that the proof covers: who, and what they may do. */
  | { readonly kind: "txn-token"; readonly step: VerifiedStep; readonly proof: "wpt" }
  /** A WIT-SVID and its proof alone: it says who this is, and grants nothing. */
  | { readonly kind: "wit-svid"; readonly workload: VerifiedWorkload; readonly proof: "wpt" };

/** What the credentials themselves are verified by. */
export type CredentialVerifiers = {
  readonly proofs: ProofState;
  now(): UnixSeconds;
  jwtSvid(token: string, options: RequestOptions & { readonly confirmation: Possession }): VerifiedStep;
  witSvid(token: string, options: RequestOptions): VerifiedWorkload;
  /** @param workload - whose WIT-SVID it came with. */
  txnToken(token: string, workload: VerifiedWorkload, options: RequestOptions): VerifiedStep;
};
