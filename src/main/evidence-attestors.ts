import { readFile } from "node:fs/promises";
import { createOidcAttestor, type OidcIssuer } from "../adapters/attestor-oidc/oidc-attestor.ts";
import { createX509popAttestor } from "../adapters/attestor-x509pop/x509pop-attestor.ts";
import type { AttestEvidencePorts } from "../attest/attest-evidence.ts";
import type { AttestationEndpointConfig, OidcIssuerConfig } from "../config/config.ts";
import { BrokerError } from "../domain/errors.ts";
import type { Core } from "./core.ts";

/**
 * The attestors for the evidence that the attestation endpoint takes.
 *
 * @throws BrokerError NOT_SERVING when a file can't be used; `detail` says what is wrong with the file
 */
export async function evidenceAttestorsOf(
  { oidc, x509pop }: AttestationEndpointConfig,
  { clock, random }: Pick<Core, "clock" | "random">,
): Promise<AttestEvidencePorts["evidenceAttestors"]> {
  return {
    ...(oidc.length === 0
      ? {}
      : { oidc: createOidcAttestor({ issuers: await Promise.all(oidc.map(issuerOf)), clock }) }),
    ...(x509pop === undefined
      ? {}
      : { x509pop: createX509popAttestor({ authorities: await pemIn(x509pop.ca), clock, randomness: random }) }),
  };
}

async function issuerOf({ roots, ...issuer }: OidcIssuerConfig): Promise<OidcIssuer> {
  return roots === undefined ? issuer : { ...issuer, roots: await pemIn(roots) };
}

async function pemIn(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw new BrokerError("NOT_SERVING", "the CA certificates of an attestor can't be read", { detail: path, cause });
  }
}
