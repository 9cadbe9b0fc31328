import { generateKeyPair, type KeyObject, sign } from "node:crypto";
import { promisify } from "node:util";
import { bitStringOf, contextConstructed, derOf, integerOf, oidOf, sequenceOf } from "../../domain/der.ts";

const ECDSA_WITH_SHA256 = "1.2.840.10045.4.3.2";
/** v1, which is all that PKCS#10 has. */
const VERSION = Uint8Array.of(0);
const ATTRIBUTES = contextConstructed(0);

/** A P-256 key pair, made in this process and never sent anywhere. */
export async function generateKey(): Promise<{ readonly privateKey: KeyObject; readonly publicKey: KeyObject }> {
  return promisify(generateKeyPair)("ec", { namedCurve: "P-256" });
}

/**
 * A PKCS#10 request that holds the key, the proof of its possession, and no names: the broker names the subject.
 *
 * @returns DER
 * @see RFC 2986 section 4, RFC 5758 section 3.2
 */
export function certificateRequestOf(keys: {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}): Uint8Array {
  const publicKey = keys.publicKey.export({ type: "spki", format: "der" });
  const info = sequenceOf(integerOf(VERSION), sequenceOf(), publicKey, derOf(ATTRIBUTES));
  const signature = sign("sha256", info, keys.privateKey);
  return sequenceOf(info, sequenceOf(oidOf(ECDSA_WITH_SHA256)), bitStringOf(signature));
}
