import { contextConstructed, TAG } from "./der.ts";
import { bitsOf, checkNested, type DerElement, DerError, membersOf, parseDer } from "./der-reader.ts";
import { BrokerError } from "./errors.ts";
import { LIMITS } from "./limits.ts";
import { checkPublicKey } from "./public-key.ts";
import { type SignatureAlgorithm, signatureAlgorithmOf } from "./signature-algorithm.ts";

/** What is taken from a certification request: a key, and the proof that the requester has it. */
export type Csr = {
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Uint8Array;
  /** The bytes that the signature covers. */
  readonly signedPart: Uint8Array;
  /** The digest of the signature, as Node names it. */
  readonly hash: SignatureAlgorithm["hash"];
  readonly signature: Uint8Array;
};

const VERSION_1 = 0;

/**
 * Reads a PKCS#10 request for its key. Subject, attributes and the extensions asked for are checked to be DER and
 * ignored: the broker decides what a certificate says.
 *
 * The signature is not verified here.
 *
 * @param der - the request, DER, at most `LIMITS.csrBytesMax`.
 * @throws BrokerError CSR_INVALID; KEY_REFUSED for a key that no SVID may be issued for
 * @see RFC 2986 section 4
 */
export function parseCsr(der: Uint8Array): Csr {
  if (der.length > LIMITS.csrBytesMax) throw csrInvalid(`at most ${LIMITS.csrBytesMax} bytes`);
  try {
    const request = parseDer(der, TAG.sequence);
    checkNested(request);
    const [signedPart, algorithm, signature] = membersOf(request, TAG.sequence, TAG.sequence, TAG.bitString);
    const [version, , key] = membersOf(
      signedPart,
      TAG.integer,
      TAG.sequence,
      TAG.sequence,
      contextConstructed(ATTRIBUTES),
    );
    if (version.content.length !== 1 || version.content[0] !== VERSION_1) throw new DerError("not version 1");
    membersOf(key, TAG.sequence, TAG.bitString);
    // The key is checked before the algorithm: a refused key is reported as refused, however the request was signed.
    const kind = checkPublicKey(key.encoded);
    const hash = hashOf(algorithm, kind);
    return { publicKey: key.encoded, signedPart: signedPart.encoded, hash, signature: bitsOf(signature) };
  } catch (thrown) {
    if (!(thrown instanceof DerError)) throw thrown;
    throw csrInvalid("a PKCS#10 request in strict DER", thrown.message);
  }
}

/** The digest of the signature; only a signature algorithm of the key's own kind is accepted. */
function hashOf(algorithm: DerElement, key: "ec" | "rsa"): Csr["hash"] {
  const known = signatureAlgorithmOf(algorithm);
  if (known?.key !== key) {
    throw csrInvalid("a signature by the request's own key, ECDSA or RSA (PKCS#1), with SHA-256, SHA-384 or SHA-512");
  }
  return known.hash;
}

/** The refusal of a request: what was expected, and for the log what was found. */
export function csrInvalid(expected: string, detail?: string): BrokerError {
  return new BrokerError("CSR_INVALID", `csr: ${expected}`, {
    metadata: { field: "csr" },
    ...(detail === undefined ? {} : { detail }),
  });
}

/** `[0] IMPLICIT SET OF Attribute`, always there, often empty. */
const ATTRIBUTES = 0;
