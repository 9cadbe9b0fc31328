import { createRequire } from "node:module";
import { BrokerError } from "../../domain/errors.ts";

/** The binding to PKCS #11, and its constants. */
export type Cryptoki = typeof import("pkcs11js");

/**
 * Loads the binding. The binding is an optional package, whose native part is not built at installation, so that nobody
 * who keeps keys on disk needs a compiler.
 *
 * @throws BrokerError AUTHORITY_UNAVAILABLE, saying in `detail` how to build it
 */
export function loadCryptoki(): Cryptoki {
  try {
    return createRequire(import.meta.url)("pkcs11js") as Cryptoki;
  } catch (thrown) {
    const detail = "the package pkcs11js is not built; see the operator's guide, Keys in a hardware module";
    throw new BrokerError("AUTHORITY_UNAVAILABLE", "the key manager can't be used", { detail, cause: thrown });
  }
}

/** What PKCS #11 calls an error, e.g. `CKR_PIN_INCORRECT`; the name never holds what was given to the call. */
export function returnValueOf(thrown: unknown): string {
  const name = thrown instanceof Error ? /\bCKR_[A-Z_0-9]+/.exec(thrown.message)?.[0] : undefined;
  return name ?? "an error that PKCS #11 does not name";
}

/** An error at the start; `detail` says what stands in the way, for the operator alone. */
export function unusable(detail: string): BrokerError {
  return new BrokerError("AUTHORITY_UNAVAILABLE", "the key manager can't be used", { detail });
}
