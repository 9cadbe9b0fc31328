import { KEY_PURPOSE, KEY_USAGE } from "../../domain/certificate-extensions.ts";
import { TAG } from "../../domain/der.ts";
import { DER_BYTES_MAX, DerError, elementsOf } from "../../domain/der-reader.ts";
import { BrokerError, invalidField } from "../../domain/errors.ts";
import { CHALLENGE_BYTES, possessionProofOf } from "../../domain/possession-proof.ts";
import type { SignedCertificate } from "../../domain/signed-certificate.ts";
import { secondsOf } from "../../domain/time.ts";
import type { Clock } from "../../ports/clock.ts";
import type { EvidenceAttestor, EvidenceFacts } from "../../ports/evidence-attestor.ts";
import type { Randomness } from "../../ports/randomness.ts";
import { parseLeaf, verifyCertificatePath } from "../../verify/certificate-path.ts";
import { VerificationError } from "../../verify/verification-error.ts";
import { selectorsOf } from "./certificate-selectors.ts";
import { isSignedBy } from "./possession.ts";
import { trustedAuthorities } from "./trusted-authorities.ts";

/**
 * Attests whoever holds the private key of a certificate that a trusted CA issued for clients.
 *
 * Keys are P-256, P-384 or RSA of 2048 to 8192 bits, as everywhere in the broker.
 *
 * @param options.authorities - PEM: CA certificates that are trusted, roots or not.
 * @throws BrokerError NOT_SERVING, saying in `detail` what is wrong with the authorities
 */
export function createX509popAttestor(options: {
  readonly authorities: string;
  readonly clock: Clock;
  readonly randomness: Randomness;
}): EvidenceAttestor {
  const { clock, randomness } = options;
  const anchors = trustedAuthorities(options.authorities);

  return {
    async attest(evidence, challenger, csr) {
      const chain = chainIn(evidence);
      const challenge = Uint8Array.from(randomness.bytes(CHALLENGE_BYTES));
      const answer = await challenger.challenge(challenge);
      return judged(() => {
        // All is judged at one instant, after the answer: a certificate that has expired by then is not accepted.
        const now = secondsOf(clock.now());
        const path = verifyCertificatePath(chain, { anchors, now, keyPurposes: [KEY_PURPOSE.clientAuth] });
        checkPossession(parseLeaf(chain), possessionProofOf(challenge, csr), answer);
        return { selectors: selectorsOf(path) };
      });
    },
  };
}

/** Certificates one after another are read as the content of a SEQUENCE. */
function chainIn(evidence: Uint8Array): readonly Uint8Array[] {
  try {
    if (evidence.length > DER_BYTES_MAX) throw new DerError(`more than ${DER_BYTES_MAX} bytes`);
    const chain = elementsOf({ tag: TAG.sequence, content: evidence, encoded: evidence }).map(({ encoded }) => encoded);
    parseLeaf(chain);
    return chain;
  } catch (thrown) {
    if (!(thrown instanceof DerError) && !(thrown instanceof VerificationError)) throw thrown;
    throw invalidField("x509pop", "one to ten certificates in DER, one after another, the leaf first");
  }
}

function checkPossession({ extensions, publicKey }: SignedCertificate, proof: Uint8Array, answer: Uint8Array): void {
  const { keyUsage } = extensions;
  if (keyUsage !== undefined && !keyUsage.bits.has(KEY_USAGE.digitalSignature)) {
    throw new VerificationError("CERTIFICATE_INVALID", "certificates: expected a leaf whose key is for signatures");
  }
  if (isSignedBy(publicKey, proof, answer)) return;
  throw new VerificationError("SIGNATURE_INVALID", "the answer to the challenge is not signed by the leaf's key");
}

function judged(judge: () => EvidenceFacts): EvidenceFacts {
  try {
    return judge();
  } catch (thrown) {
    if (!(thrown instanceof VerificationError) && !(thrown instanceof DerError)) throw thrown;
    throw new BrokerError("NO_IDENTITY", "the certificate is not accepted here", { detail: thrown.message });
  }
}
