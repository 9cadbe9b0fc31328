import { type SpiffeId, trustDomainOf } from "../domain/spiffe-id.ts";
import { isJwsAlgorithm, verifySignature } from "./jws-signature.ts";
import type { KnownSignatures } from "./known-signatures.ts";
import { VerificationError } from "./verification-error.ts";
import type { BundleSet } from "./verification-keys.ts";

/** Where the keys of tokens are looked up. */
export type TrustedKeys = {
  readonly bundles: BundleSet;
  /** Accepts trust domains that are for development only. Default: false. */
  readonly development?: boolean;
  /** Absent: every signature is checked. */
  readonly known?: KnownSignatures;
};

type Signed = {
  readonly text: string;
  readonly algorithm: string;
  readonly keyId: string;
  readonly signed: Uint8Array;
  readonly signature: Uint8Array;
};

/**
 * Checks that the trust domain of its subject signed a token, with a key that is for tokens of this kind. The key is
 * looked up by trust domain first and by `kid` second, so that no trust domain can sign for another's names.
 *
 * @throws VerificationError ALGORITHM_REFUSED, KEY_UNKNOWN or SIGNATURE_INVALID
 * @see SPIFFE Workload API section 6.3, JWT-SVID section 2.1, WIT-SVID section 6.2
 */
export function checkSvidSignature(
  jws: Signed,
  spiffeId: SpiffeId,
  kind: "keys" | "witKeys" | "txnTokenKeys",
  { bundles, development, known }: TrustedKeys,
): void {
  const { algorithm } = jws;
  if (!isJwsAlgorithm(algorithm)) {
    throw new VerificationError("ALGORITHM_REFUSED", "the algorithm is none that SVIDs may be signed with");
  }
  const bundle = bundles.get(trustDomainOf(spiffeId));
  if (bundle === undefined) {
    throw new VerificationError("KEY_UNKNOWN", "the subject is of a trust domain that is not known here");
  }
  if (bundle.development === true && development !== true) {
    throw new VerificationError("KEY_UNKNOWN", "the subject is of a trust domain that is for development only");
  }
  const key = bundle[kind]?.get(jws.keyId);
  if (key === undefined) {
    throw new VerificationError("KEY_UNKNOWN", "the key is none of those of the trust domain of the subject");
  }
  if (!key.algorithms.includes(algorithm)) {
    throw new VerificationError("ALGORITHM_REFUSED", "the algorithm is not one of the key");
  }
  if (known?.holds(jws.text, key.key) === true) return;
  if (!verifySignature(algorithm, key.key, jws.signed, jws.signature)) {
    throw new VerificationError("SIGNATURE_INVALID", "the signature does not hold");
  }
  known?.add(jws.text, key.key);
}
