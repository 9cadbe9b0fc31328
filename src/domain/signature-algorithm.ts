import { TAG } from "./der.ts";
import { type DerElement, DerError, dottedOf, elementsOf } from "./der-reader.ts";

/** How a signature is made: by which kind of key, over which digest. */
export type SignatureAlgorithm = {
  readonly key: "ec" | "rsa";
  /** The digest, as Node names it. */
  readonly hash: "sha256" | "sha384" | "sha512";
};

/** ECDSA and RSA (PKCS#1 v1.5) with a digest that nobody can find collisions of; nothing older is accepted here. */
const SIGNATURE_ALGORITHMS = new Map<string, SignatureAlgorithm>([
  ["1.2.840.10045.4.3.2", { key: "ec", hash: "sha256" }],
  ["1.2.840.10045.4.3.3", { key: "ec", hash: "sha384" }],
  ["1.2.840.10045.4.3.4", { key: "ec", hash: "sha512" }],
  ["1.2.840.113549.1.1.11", { key: "rsa", hash: "sha256" }],
  ["1.2.840.113549.1.1.12", { key: "rsa", hash: "sha384" }],
  ["1.2.840.113549.1.1.13", { key: "rsa", hash: "sha512" }],
]);

/**
 * The algorithm that an AlgorithmIdentifier names, with exactly the parameters that its standard gives it: none for
 * ECDSA; for RSA a NULL, which whoever reads it must do without too.
 *
 * @returns `undefined` for an algorithm that is not accepted.
 * @throws DerError
 * @see RFC 5758 section 3.2, RFC 4055 section 5
 */
export function signatureAlgorithmOf(identifier: DerElement): SignatureAlgorithm | undefined {
  const [oid, ...parameters] = elementsOf(identifier);
  if (oid === undefined) throw new DerError("no signature algorithm");
  const known = SIGNATURE_ALGORITHMS.get(dottedOf(oid));
  const [parameter, ...more] = parameters;
  if (parameter === undefined) return known;
  const isNull = parameter.tag === TAG.null && parameter.content.length === 0 && more.length === 0;
  return known?.key === "rsa" && isNull ? known : undefined;
}
