import { contextConstructed, TAG } from "./der.ts";
import { DerError, dottedOf, elementsOf, membersOf, parseDer, positiveOf } from "./der-reader.ts";

/** What is read from a certificate: ours, a bundle's, or one to look up in the ledger. Nothing is verified. */
export type Certificate = {
  /** The signed part as it was signed; its SHA-256 finds the issuance. */
  readonly toBeSigned: Uint8Array;
  /** Lower-case hexadecimal without leading zero bytes. */
  readonly serialNumber: string;
  /** Name, DER. */
  readonly issuer: Uint8Array;
  /** Name, DER. */
  readonly subject: Uint8Array;
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Uint8Array;
  /** The value of each extension by its dotted OID, DER. */
  readonly extensions: ReadonlyMap<string, Uint8Array>;
};

const EXTENSIONS = contextConstructed(3);
const VERSION = contextConstructed(0);

/**
 * Reads a version 3 certificate that has extensions and no unique identifiers, as all SVIDs and their authorities do.
 *
 * @throws DerError
 * @see RFC 5280 section 4.1
 */
export function readCertificate(der: Uint8Array): Certificate {
  const [signedPart] = membersOf(parseDer(der, TAG.sequence), TAG.sequence, TAG.sequence, TAG.bitString);
  const [, serialNumber, , issuer, , subject, publicKey, extensions] = membersOf(
    signedPart,
    VERSION,
    TAG.integer,
    TAG.sequence,
    TAG.sequence,
    TAG.sequence,
    TAG.sequence,
    TAG.sequence,
    EXTENSIONS,
  );
  const [list] = membersOf(extensions, TAG.sequence);
  return {
    toBeSigned: signedPart.encoded,
    serialNumber: Buffer.from(positiveOf(serialNumber)).toString("hex"),
    issuer: issuer.encoded,
    subject: subject.encoded,
    publicKey: publicKey.encoded,
    extensions: new Map(elementsOf(list).map(valueByOid)),
  };
}

function valueByOid(extension: Parameters<typeof elementsOf>[0]): [string, Uint8Array] {
  const members = elementsOf(extension);
  const oid = members[0];
  const value = members[members.length - 1];
  if (oid === undefined || value?.tag !== TAG.octetString) throw new DerError("not an extension");
  return [dottedOf(oid), value.content];
}
