import { formatSpiffeBundle, parseSpiffeBundle, type SpiffeBundle } from "../domain/bundle.ts";
import { KEY_PURPOSE } from "../domain/certificate-extensions.ts";
import { DerError } from "../domain/der-reader.ts";
import { BrokerError, invalidField } from "../domain/errors.ts";
import type { FederatedBundle } from "../domain/federation.ts";
import { LIMITS } from "../domain/limits.ts";
import { checkPublicKey } from "../domain/public-key.ts";
import { readSignedCertificate, type SignedCertificate } from "../domain/signed-certificate.ts";
import { type TrustDomain, trustDomainId } from "../domain/spiffe-id.ts";
import { faultOfIssuer } from "../verify/path-certificate.ts";
import { verificationKeysOf } from "../verify/verification-keys.ts";
import { urisOf } from "../verify/x509-svid.ts";

/** The part of a foreign bundle that is kept. */
export type AcceptableBundle = Pick<FederatedBundle, "document" | "sequence">;

/**
 * Judges what was given as the bundle of a foreign trust domain, and takes over the keys that this broker can verify
 * with. A bundle without keys is accepted: nothing of the trust domain is to be believed any longer.
 *
 * A bundle as a whole has to fit: its X.509 authorities are of no other trust domain; its sequence neither goes back nor
 * goes away, and is another for other keys. An authority by which no X.509-SVID would verify is left out, and the
 * others count.
 *
 * @param of.leftOut - told of each authority that was left out, in words for the log.
 * @param of.known - the bundle that was accepted last. Given back when the new bundle has the same sequence and keys.
 * @throws BrokerError INVALID_FIELD; LIMIT_EXCEEDED for a bundle that is too large to be recorded
 * @see SPIFFE Federation section 4.2, SPIFFE Trust Domain and Bundle section 4.1.1, X509-SVID sections 3.2 and 4
 */
export function acceptBundle(
  bundle: SpiffeBundle,
  of: {
    readonly trustDomain: TrustDomain;
    readonly known?: AcceptableBundle | undefined;
    readonly leftOut?: (why: string) => void;
  },
): AcceptableBundle {
  const understood = understoodOf(bundle, of.trustDomain, of.leftOut ?? (() => undefined));
  const { sequence } = bundle;
  if (of.known?.sequence !== undefined) {
    checkSequence(sequence, of.known.sequence);
    if (sequence === of.known.sequence) return unchanged(understood, of.known);
  }
  const document = formatSpiffeBundle(understood);
  // In its event the document is a string of JSON, where each quotation mark is two bytes.
  if (Buffer.byteLength(JSON.stringify(document)) > LIMITS.federatedBundleBytesMax) {
    throw new BrokerError("LIMIT_EXCEEDED", `the bundle has more than ${LIMITS.federatedBundleBytesMax} bytes of keys`);
  }
  return { document, ...(sequence === undefined ? {} : { sequence }) };
}

/** The bundle with only the keys that would verify something here. */
function understoodOf(bundle: SpiffeBundle, trustDomain: TrustDomain, leftOut: (why: string) => void): SpiffeBundle {
  const usable = (keys: SpiffeBundle["jwtKeys"]) => {
    const verifying = verificationKeysOf(keys);
    return new Map([...keys].filter(([kid]) => verifying.has(kid)));
  };
  const verifies = (authority: SignedCertificate | string): authority is SignedCertificate => {
    const why = typeof authority === "string" ? authority : faultOfAuthority(authority);
    if (why !== undefined) leftOut(why);
    return why === undefined;
  };
  const authorities = bundle.x509.map(authorityOf);
  for (const authority of authorities) if (typeof authority !== "string") checkNames(authority, trustDomain);
  return {
    ...bundle,
    x509: authorities.filter(verifies).map(({ encoded }) => encoded),
    jwtKeys: usable(bundle.jwtKeys),
    witKeys: usable(bundle.witKeys),
  };
}

/** @returns why not, where the authority can't be read. */
function authorityOf(der: Uint8Array): SignedCertificate | string {
  try {
    return readSignedCertificate(der);
  } catch (thrown) {
    if (!(thrown instanceof DerError)) throw thrown;
    return `can't be read: ${thrown.message}`;
  }
}

function checkNames(authority: SignedCertificate, trustDomain: TrustDomain): void {
  // An authority need not name its trust domain. One that does is of this trust domain alone, and names no workload.
  // X509-SVID section 3.2.
  const [spiffeId = trustDomainId(trustDomain), ...more] = urisOf(authority).filter((uri) => /^spiffe:/i.test(uri));
  if (spiffeId !== trustDomainId(trustDomain) || more.length > 0) {
    throw invalidField("bundle.keys", `authorities of ${trustDomain} alone; one is of another trust domain`);
  }
}

/** Leaves it to verifiers whether the authority is valid now: a bundle may have it before its time, and after. */
function faultOfAuthority(authority: SignedCertificate): string | undefined {
  if (!hasKnownKey(authority)) return "has a key of a kind that nobody here verifies by";
  return faultOfIssuer(authority, [KEY_PURPOSE.serverAuth, KEY_PURPOSE.clientAuth])?.message;
}

/** Whether anybody here verifies by this kind of key. Other kinds are left out, like keys of an unknown `kty`. */
function hasKnownKey({ publicKey }: SignedCertificate): boolean {
  try {
    checkPublicKey(publicKey);
    return true;
  } catch (thrown) {
    if (thrown instanceof BrokerError) return false;
    throw thrown;
  }
}

function checkSequence(sequence: number | undefined, known: number): void {
  // An older bundle may hold keys that were taken out since; a bundle without a sequence could hide that it is older.
  if (sequence === undefined || sequence < known) {
    throw invalidField("spiffe_sequence", "not below the one that was accepted last");
  }
}

/** A publisher may change the refresh hint alone, and mean the same bundle. */
function unchanged(bundle: SpiffeBundle, known: AcceptableBundle): AcceptableBundle {
  if (keysOf(bundle) === keysOf(parseSpiffeBundle(known.document))) return known;
  throw invalidField("spiffe_sequence", "a new one for new content");
}

function keysOf(bundle: SpiffeBundle): string {
  return formatSpiffeBundle({ ...bundle, refreshHintSeconds: undefined });
}
