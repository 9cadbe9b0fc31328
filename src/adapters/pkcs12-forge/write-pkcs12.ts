import { createHash, createHmac, type KeyObject, randomBytes } from "node:crypto";
import forge from "node-forge";
import {
  type Asn1,
  binaryOf,
  bmpString,
  bytesOf,
  derOf,
  explicit,
  integer,
  none,
  octets,
  oid,
  sequence,
  set,
} from "./asn1-parts.ts";
import { MAC_KEY, OID } from "./oids.ts";
import { checkPassword } from "./pkcs12-error.ts";

/** What keytool takes: a guess costs an attacker as much, and writing a file a fifth of a second. */
const ITERATIONS = 10_000;
const SALT_BYTES = 16;
const SHA256 = { oid: "2.16.840.1.101.3.4.2.1", bytes: 32 };
/** Under which Java finds the entry. */
const ALIAS = "svid";

/**
 * A PKCS #12 file with a private key and its chain, as OpenSSL, Java and .NET open it: AES-256-CBC and PBKDF2 with HMAC-SHA-256 for the
 * key, an HMAC-SHA-256 over everything; the certificates, which are no secret, as they are.
 *
 * @param facts.certificates - DER, the one of the key first.
 * @param facts.privateKey - of any kind: `forge.pkcs12.toPkcs12Asn1` knows RSA alone, so the bags are made here.
 * @throws Pkcs12Error for a password that programs do not take alike
 * @see RFC 7292
 */
export function writePkcs12(facts: {
  readonly certificates: readonly Uint8Array[];
  readonly privateKey: KeyObject;
  readonly password: string;
}): Uint8Array {
  const { certificates, privateKey, password } = facts;
  checkPassword(password);
  const [leaf = new Uint8Array()] = certificates;
  const ofKey = attributes(ALIAS, createHash("sha1").update(leaf).digest());
  const bags = [
    sequence(...certificates.map((der, index) => certificateBag(der, index === 0 ? [ofKey] : []))),
    sequence(bag(OID.pkcs8ShroudedKeyBag, shrouded(privateKey, password), [ofKey])),
  ];
  const contents = derOf(sequence(...bags.map((safe) => content(derOf(safe)))));
  return bytesOf(derOf(sequence(integer(3), content(contents), mac(contents, password))));
}

function content(binary: string): Asn1 {
  return sequence(oid(OID.data), explicit(octets(binary)));
}

function bag(kind: string, value: Asn1, more: Asn1[]): Asn1 {
  return sequence(oid(kind), explicit(value), ...more);
}

function certificateBag(der: Uint8Array, more: Asn1[]): Asn1 {
  return bag(OID.certBag, sequence(oid(OID.x509Certificate), explicit(octets(binaryOf(der)))), more);
}

function shrouded(privateKey: KeyObject, password: string): Asn1 {
  const der = privateKey.export({ type: "pkcs8", format: "der" });
  return forge.pki.encryptPrivateKeyInfo(forge.asn1.fromDer(binaryOf(der)), password, {
    algorithm: "aes256",
    count: ITERATIONS,
    saltSize: SALT_BYTES,
    prfAlgorithm: "sha256",
  });
}

/** By these a reader knows which certificate is the key's. */
function attributes(alias: string, keyId: Uint8Array): Asn1 {
  return set(
    sequence(oid(OID.friendlyName), set(bmpString(alias))),
    sequence(oid(OID.localKeyId), set(octets(binaryOf(keyId)))),
  );
}

function mac(contents: string, password: string): Asn1 {
  const salt = binaryOf(randomBytes(SALT_BYTES));
  const key = forge.pkcs12.generateKey(
    password,
    forge.util.createBuffer(salt),
    MAC_KEY,
    ITERATIONS,
    SHA256.bytes,
    forge.md.sha256.create(),
  );
  const digest = createHmac("sha256", bytesOf(key.getBytes())).update(bytesOf(contents)).digest();
  const digestInfo = sequence(sequence(oid(SHA256.oid), none()), octets(binaryOf(digest)));
  return sequence(digestInfo, octets(salt), integer(ITERATIONS));
}
