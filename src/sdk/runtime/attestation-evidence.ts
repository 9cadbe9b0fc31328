import { constants, createPrivateKey, type KeyObject, sign, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { certificatesInPem } from "../../domain/pem.ts";
import { possessionProofOf } from "../../domain/possession-proof.ts";
import type { AttestationClaimSchema } from "../../gen/stint/v1/attestation_pb.js";
import type { AttestationEvidence } from "./attestation-options.ts";
import { StintError } from "./stint-error.ts";

/** Evidence as it is sent, and the answer to what the broker may ask about it. */
export type PresentedEvidence = {
  readonly evidence: NonNullable<MessageInitShape<typeof AttestationClaimSchema>["evidence"]>;
  /** @param csr - the request that goes with it. */
  readonly answer?: (challenge: Uint8Array, csr: Uint8Array) => Uint8Array;
};

/** Of RSA-PSS with SHA-256. */
const SALT_BYTES = 32;

/** Whether it is good once alone, so that an SVID has to be renewed by itself. */
export function isSpentByUse(evidence: AttestationEvidence): boolean {
  return "joinToken" in evidence || "joinTokenFile" in evidence;
}

/** @throws StintError NO_EVIDENCE */
export async function presentedEvidence(evidence: AttestationEvidence): Promise<PresentedEvidence> {
  try {
    if ("oidc" in evidence) return oidc(await evidence.oidc());
    if ("oidcTokenFile" in evidence) return oidc(await textOf(evidence.oidcTokenFile));
    if ("joinToken" in evidence) return joinToken(evidence.joinToken);
    if ("joinTokenFile" in evidence) return joinToken(await textOf(evidence.joinTokenFile));
    return x509pop(evidence.x509pop.certificateChain, createPrivateKey(evidence.x509pop.privateKey));
  } catch (cause) {
    throw new StintError("NO_EVIDENCE", "the evidence for the attestation can't be had", { cause });
  }
}

function oidc(value: string): PresentedEvidence {
  return { evidence: { case: "oidcToken", value } };
}

function joinToken(value: string): PresentedEvidence {
  return { evidence: { case: "joinToken", value } };
}

function x509pop(certificateChain: string, key: KeyObject): PresentedEvidence {
  const found = certificatesInPem(certificateChain);
  if (found.length === 0) throw new Error("no certificate in PEM");
  const ders = found.map((der) => new X509Certificate(der).raw);
  return {
    evidence: { case: "x509pop", value: Buffer.concat(ders) },
    answer: (challenge, csr) => signatureOf(possessionProofOf(challenge, csr), key),
  };
}

/** In the forms that the attestor takes. */
function signatureOf(proof: Uint8Array, key: KeyObject): Uint8Array {
  if (key.asymmetricKeyType === "rsa") {
    return sign("sha256", proof, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: SALT_BYTES });
  }
  return sign(key.asymmetricKeyDetails?.namedCurve === "secp384r1" ? "sha384" : "sha256", proof, key);
}

async function textOf(file: string): Promise<string> {
  return (await readFile(file, "utf8")).trim();
}
