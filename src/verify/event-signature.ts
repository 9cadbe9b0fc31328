import { headerTextOf, type Jws, type Refuse } from "./compact-jws.ts";
import { verifySignature } from "./jws-signature.ts";
import { VerificationError } from "./verification-error.ts";
import type { VerificationKey } from "./verification-keys.ts";

/**
 * Checks the signature of what a broker signs with its keys for lists and events: ES256, by the key that the token names.
 *
 * @param what - it is, for people.
 * @throws VerificationError ALGORITHM_REFUSED, KEY_UNKNOWN or SIGNATURE_INVALID; what `refuse` makes where no key is named
 */
export function checkEventSignature(
  {
    jws,
    algorithm,
    keys,
  }: {
    readonly jws: Jws;
    readonly algorithm: string;
    readonly keys: ReadonlyMap<string, VerificationKey>;
  },
  what: string,
  refuse: Refuse,
): void {
  if (algorithm !== "ES256") throw new VerificationError("ALGORITHM_REFUSED", `the ${what} is not signed with ES256`);
  const key = keys.get(headerTextOf(jws.header, "kid", refuse));
  if (key === undefined) {
    throw new VerificationError("KEY_UNKNOWN", `the ${what} is signed with a key that is none of its issuer`);
  }
  const holds = key.algorithms.includes(algorithm) && verifySignature(algorithm, key.key, jws.signed, jws.signature);
  if (!holds) throw new VerificationError("SIGNATURE_INVALID", `the signature of the ${what} does not hold`);
}
