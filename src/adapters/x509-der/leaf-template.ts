import { contextConstructed, contextPrimitive, lengthOctets, TAG, writeHeader } from "../../domain/der.ts";
import { keyIdentifierOf } from "../../domain/public-key.ts";
import {
  authorityKeyIdentifier,
  ECDSA_WITH_SHA256,
  EMPTY_NAME,
  type Issuer,
  LEAF_CONSTRAINTS,
  type LeafFacts,
  SUBJECT_ALT_NAME_CRITICAL,
  subjectKeyIdentifier,
  VERSION_3,
  validityOf,
} from "../../domain/x509-profile.ts";

const KEY_IDENTIFIER_BYTES = 20;

/**
 * Makes a writer of leaves of one issuer: parts that never change are encoded once, and the others are written in
 * between. The writer gives the very bytes of `leafCertificate`, which is the definition; a test compares the two.
 */
export function leafTemplate(issuer: Issuer): (facts: LeafFacts) => Uint8Array {
  const algorithmAndIssuer = Buffer.concat([ECDSA_WITH_SHA256, issuer.name]);
  // Up to the key identifier itself, which stands at the very end of its extension.
  const constraints = Buffer.concat([
    ...LEAF_CONSTRAINTS,
    subjectKeyIdentifier(new Uint8Array(KEY_IDENTIFIER_BYTES)).subarray(0, -KEY_IDENTIFIER_BYTES),
  ]);
  const authorityKey = authorityKeyIdentifier(issuer.keyIdentifier);

  return (facts) => {
    const validity = validityOf(facts);
    const serialBytes = integerBytes(facts.serialNumber);
    const uriBytes = facts.spiffeId.length;
    const names = sized(uriBytes);
    const value = sized(names);
    const altName = SUBJECT_ALT_NAME_CRITICAL.length + sized(value);
    const extensions = constraints.length + KEY_IDENTIFIER_BYTES + authorityKey.length + sized(altName);
    const content =
      VERSION_3.length +
      sized(serialBytes) +
      algorithmAndIssuer.length +
      validity.length +
      EMPTY_NAME.length +
      facts.publicKey.length +
      sized(sized(extensions));

    const encoded = new Uint8Array(sized(content));
    let offset = writeHeader(encoded, 0, TAG.sequence, content);
    const put = (bytes: Uint8Array): void => {
      encoded.set(bytes, offset);
      offset += bytes.length;
    };
    const open = (tag: number, length: number): void => {
      offset = writeHeader(encoded, offset, tag, length);
    };
    put(VERSION_3);
    open(TAG.integer, serialBytes);
    // A leading zero byte, where the sign needs one, is there already.
    offset += serialBytes - facts.serialNumber.length;
    put(facts.serialNumber);
    put(algorithmAndIssuer);
    put(validity);
    put(EMPTY_NAME);
    put(facts.publicKey);
    open(contextConstructed(3), sized(extensions));
    open(TAG.sequence, extensions);
    put(constraints);
    put(keyIdentifierOf(facts.publicKey));
    put(authorityKey);
    open(TAG.sequence, altName);
    put(SUBJECT_ALT_NAME_CRITICAL);
    open(TAG.octetString, value);
    open(TAG.sequence, names);
    open(contextPrimitive(6), uriBytes);
    // A SPIFFE ID is ASCII.
    Buffer.from(encoded.buffer).write(facts.spiffeId, offset, "latin1");
    return encoded;
  };
}

/** Bytes of an element with `length` bytes of content. */
function sized(length: number): number {
  return 1 + lengthOctets(length) + length;
}

/** Bytes of a positive integer's content; the magnitude has no leading zero bytes. */
function integerBytes(magnitude: Uint8Array): number {
  return magnitude.length + ((magnitude[0] ?? 0) >= 0x80 ? 1 : 0);
}
