import { URI_NAME } from "../../domain/certificate-extensions.ts";
import { TAG } from "../../domain/der.ts";
import { dottedOf, elementsOf, parseDer } from "../../domain/der-reader.ts";
import { sha256Hex } from "../../domain/digest.ts";
import { type Selector, selector, selectorIfNameable } from "../../domain/selector.ts";
import type { SignedCertificate } from "../../domain/signed-certificate.ts";
import type { CertificatePath } from "../../verify/certificate-path.ts";

const COMMON_NAME = "2.5.4.3";
/** The forms of a DirectoryString that RFC 5280 section 4.1.2.4 lets new certificates have; both are UTF-8. */
const TEXTS: readonly number[] = [TAG.utf8String, TAG.printableString];
const DNS_NAME = 2;

/**
 * The selectors of a verified path, as far as an entry could name them: every authority above the leaf, and the leaf's
 * serial number, common name if there is one, and alternative names that are DNS names or URIs.
 *
 * @throws DerError when the subject is not a name
 */
export function selectorsOf([leaf, ...authorities]: CertificatePath): ReadonlySet<Selector> {
  const selectors = authorities.map(({ encoded }) => selector("x509pop:ca", sha256Hex(encoded)));
  return leaf === undefined ? new Set() : new Set([...selectors, ...selectorsOfLeaf(leaf)]);
}

function selectorsOfLeaf(leaf: SignedCertificate): readonly Selector[] {
  const names = leaf.extensions.subjectAltName?.names ?? [];
  return [
    selectorIfNameable("x509pop:serial_number", leaf.serialNumber),
    ...commonNamesOf(leaf.subject).map((name) => selectorIfNameable("x509pop:subject", `cn:${name}`)),
    ...names.map(({ kind, content }) => {
      const text = Buffer.from(content).toString("latin1");
      // DNS names are the same in upper and lower case; a wildcard is no name of a workload, and has no selector.
      if (kind === DNS_NAME) return selectorIfNameable("x509pop:san", `dns:${text.toLowerCase()}`);
      return kind === URI_NAME ? selectorIfNameable("x509pop:san", `uri:${text}`) : undefined;
    }),
  ].filter((one) => one !== undefined);
}

/** The common name; none when there are several, because other programs would take another of them. */
function commonNamesOf(subject: Uint8Array): readonly string[] {
  const names = elementsOf(parseDer(subject, TAG.sequence))
    .flatMap(elementsOf)
    .map(elementsOf)
    .filter(([type]) => type !== undefined && dottedOf(type) === COMMON_NAME)
    .map(([, value]) => value);
  const [name] = names;
  if (name === undefined || names.length > 1 || !TEXTS.includes(name.tag)) return [];
  try {
    return [utf8.decode(name.content)];
  } catch {
    // Decoded with replacement characters, several names would become one.
    return [];
  }
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
