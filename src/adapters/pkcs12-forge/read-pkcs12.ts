import { createHmac, createPrivateKey, type KeyObject, timingSafeEqual, X509Certificate } from "node:crypto";
import forge from "node-forge";
import { type Asn1, binaryOf, bytesOf, derOf, octets, sequence } from "./asn1-parts.ts";
import { MAC_DIGESTS, MAC_KEY, OID } from "./oids.ts";
import { checkPassword, Pkcs12Error } from "./pkcs12-error.ts";

/** A key and a chain are a few thousand bytes. */
const FILE_BYTES_MAX = 64 * 1024;
/** Of all derivations of a file together; forge takes a second and a half for 100,000. */
const ITERATIONS_MAX = 200_000;

const { asn1 } = forge;

/** What a file holds, as Node.js reads it. */
export type Pkcs12 = {
  /** The certificate of the key first, then each one's issuer, as far as they are there. */
  readonly certificates: readonly X509Certificate[];
  readonly privateKey: KeyObject;
};

/**
 * Reads a PKCS #12 file with one private key, which an operator has named; never one that came from somewhere. forge takes the containers
 * apart and decrypts; keys and certificates are read by Node.js, and judged by whoever uses them.
 *
 * @throws Pkcs12Error
 * @see RFC 7292
 */
export function readPkcs12(file: Uint8Array, password: string): Pkcs12 {
  checkPassword(password);
  if (file.length > FILE_BYTES_MAX) throw new Pkcs12Error(`larger than ${FILE_BYTES_MAX} bytes`);
  const found: Found = { password, iterationsLeft: ITERATIONS_MAX, certificates: [], keys: [] };
  try {
    readFile(file, found);
    return ordered(found);
  } catch (thrown) {
    if (thrown instanceof Pkcs12Error) throw thrown;
    // The texts of forge and OpenSSL may quote what they failed at.
    throw new Pkcs12Error("no PKCS #12 file, or one that is damaged or encrypted in an unknown way");
  }
}

type Found = {
  readonly password: string;
  iterationsLeft: number;
  readonly certificates: Uint8Array[];
  readonly keys: Uint8Array[];
};

function readFile(file: Uint8Array, found: Found): void {
  const [, authSafe, macData] = partsOf(asn1.fromDer(binaryOf(file)));
  if (macData === undefined) throw new Pkcs12Error("it has no MAC by a password");
  const contents = dataIn(authSafe);
  // Before anything of it is decrypted: what the holder of the password has made may be taken apart.
  checkMac(contents, macData, found);
  for (const info of partsOf(asn1.fromDer(binaryOf(contents)))) readBags(safeContents(info, found), found);
}

function safeContents(info: Asn1, found: Found): Asn1 {
  const [kind, wrapped] = partsOf(info);
  if (textOf(kind) === OID.data) return asn1.fromDer(binaryOf(dataIn(info)));
  if (textOf(kind) !== OID.encryptedData) throw new Pkcs12Error("a part of it is encrypted, and not by a password");
  const [, encrypted] = partsOf(partsOf(wrapped)[0]);
  const [, algorithm, ciphertext] = partsOf(encrypted);
  return decrypted(algorithm, bytesIn(ciphertext), found);
}

function readBags(contents: Asn1, found: Found): void {
  for (const one of partsOf(contents)) {
    const [kind, wrapped] = partsOf(one);
    const [value] = partsOf(wrapped);
    switch (textOf(kind)) {
      case OID.certBag:
        found.certificates.push(bytesIn(partsOf(partsOf(value)[1])[0]));
        break;
      case OID.keyBag:
        found.keys.push(bytesOf(derOf(given(value))));
        break;
      case OID.pkcs8ShroudedKeyBag: {
        const [algorithm, ciphertext] = partsOf(value);
        found.keys.push(bytesOf(derOf(decrypted(algorithm, bytesIn(ciphertext), found))));
        break;
      }
      default:
        break;
    }
  }
}

function decrypted(algorithm: Asn1 | undefined, ciphertext: Uint8Array, found: Found): Asn1 {
  spend(iterationsIn(given(algorithm)), found);
  // Whatever is encrypted by a password has the form of an encrypted key.
  const plain: Asn1 | null = forge.pki.decryptPrivateKeyInfo(
    sequence(given(algorithm), octets(binaryOf(ciphertext))),
    found.password,
  );
  if (plain === null) throw new Pkcs12Error("a part of it can't be decrypted by the password");
  return plain;
}

function checkMac(contents: Uint8Array, macData: Asn1, found: Found): void {
  const [digestInfo, salt, count] = partsOf(macData);
  const [algorithm, mac] = partsOf(digestInfo);
  const digest = MAC_DIGESTS[textOf(partsOf(algorithm)[0]) as keyof typeof MAC_DIGESTS];
  if (digest === undefined) throw new Pkcs12Error("its MAC is of an unknown kind");
  const iterations = count === undefined ? 1 : numberOf(count);
  spend(iterations, found);
  const saltBuffer = forge.util.createBuffer(binaryOf(bytesIn(salt)));
  const md = forge.md[digest.name].create();
  const key = forge.pkcs12.generateKey(found.password, saltBuffer, MAC_KEY, iterations, digest.bytes, md);
  const expected = createHmac(digest.name, bytesOf(key.getBytes())).update(contents).digest();
  const shown = bytesIn(mac);
  if (shown.length !== expected.length || !timingSafeEqual(shown, expected)) {
    throw new Pkcs12Error("the password is not that of the file, or the file is damaged");
  }
}

/** Written as "not within", so that a count that is no number is refused. */
function spend(iterations: number, found: Found): void {
  if (!(iterations >= 1 && iterations <= found.iterationsLeft)) {
    throw new Pkcs12Error(`its password is to be derived with more than ${ITERATIONS_MAX} iterations`);
  }
  found.iterationsLeft -= iterations;
}

/** The count beside the salt, in the parameters of PBES2 as in those of PKCS #12. */
function iterationsIn(part: Asn1): number {
  if (!Array.isArray(part.value)) return Number.NaN;
  const [salt, count] = part.value;
  if (salt?.type === asn1.Type.OCTETSTRING && count?.type === asn1.Type.INTEGER) return numberOf(count);
  return part.value.map(iterationsIn).find((found) => !Number.isNaN(found)) ?? Number.NaN;
}

function ordered({ certificates, keys }: Found): Pkcs12 {
  const [der, ...others] = keys;
  if (der === undefined || others.length > 0) throw new Pkcs12Error("expected one private key");
  const privateKey = createPrivateKey({ key: Buffer.from(der), format: "der", type: "pkcs8" });
  const left = new Set(certificates.map((one) => new X509Certificate(one)));
  const chain: X509Certificate[] = [];
  let next = [...left].find((one) => one.checkPrivateKey(privateKey));
  if (next === undefined) throw new Pkcs12Error("no certificate of its private key");
  while (next !== undefined) {
    const last: X509Certificate = next;
    chain.push(last);
    left.delete(last);
    next = [...left].find((one) => last.checkIssued(one));
  }
  return { certificates: chain, privateKey };
}

function dataIn(info: Asn1 | undefined): Uint8Array {
  const [kind, wrapped] = partsOf(info);
  if (textOf(kind) !== OID.data) throw new Pkcs12Error("it is signed by a key, and not by a password");
  return bytesIn(partsOf(wrapped)[0]);
}

function given(part: Asn1 | undefined): Asn1 {
  if (part === undefined) throw new Pkcs12Error("a part of it is missing");
  return part;
}

function partsOf(part: Asn1 | undefined): readonly Asn1[] {
  const { value } = given(part);
  if (!Array.isArray(value)) throw new Pkcs12Error("a part of it is not what it should be");
  return value;
}

/** Some programs write long octets in pieces. */
function bytesIn(part: Asn1 | undefined): Uint8Array {
  const { value } = given(part);
  return Array.isArray(value) ? Buffer.concat(value.map(bytesIn)) : bytesOf(value);
}

function textOf(part: Asn1 | undefined): string {
  const { value, type } = given(part);
  return typeof value === "string" && type === asn1.Type.OID ? asn1.derToOid(value) : "";
}

function numberOf({ value }: Asn1): number {
  return typeof value === "string" && value.length <= 4 ? asn1.derToInteger(value) : Number.NaN;
}
