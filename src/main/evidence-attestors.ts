import type { EvidenceIssuer } from "../adapters/attestor-oidc/oidc-attestor.ts";
import { createX509popAttestor } from "../adapters/attestor-x509pop/x509pop-attestor.ts";
import type { AttestEvidencePorts } from "../attest/attest-evidence.ts";
import type { AttestationEndpointConfig, EvidenceIssuerConfig } from "../config/config.ts";
import type { EvidenceAttestor } from "../ports/evidence-attestor.ts";
import type { Core } from "./core.ts";
import { keySetIn } from "./issuer-key-set.ts";
import { pemIn, withRoots } from "./issuer-roots.ts";
import type { Files } from "./renewed-files.ts";

type Kind = "oidc" | "x509pop";

/**
 * The attestors for the evidence that the attestation endpoint takes. Each judges by the CAs of its files as they are.
 *
 * @throws BrokerError NOT_SERVING when a file can't be used; `detail` says what is wrong with the file
 */
export async function evidenceAttestors(
  config: AttestationEndpointConfig,
  { files, ...ports }: Pick<Core, "clock" | "random" | "files">,
): Promise<AttestEvidencePorts["evidenceAttestors"]> {
  const followed = Object.entries(evidenceFiles(config, ports)).map(async ([kind, of]) => {
    const { current } = await files.follow(of);
    const attestor: EvidenceAttestor = { attest: (...presented) => current().attest(...presented) };
    return [kind, attestor] as const;
  });
  return Object.fromEntries(await Promise.all(followed));
}

/** The files of each attestor. An attestor of which the files changed is made anew, and asks issuers for their keys again. */
export function evidenceFiles(
  { oidc, x509pop }: AttestationEndpointConfig,
  { clock, random }: Pick<Core, "clock" | "random">,
): { readonly [kind in Kind]?: Files<EvidenceAttestor> } {
  return {
    ...(oidc.length > 0 && {
      oidc: {
        setting: "attestation.oidc",
        paths: oidc.flatMap(filesOf),
        read: async () => {
          const { createOidcAttestor } = await import("../adapters/attestor-oidc/oidc-attestor.ts");
          return createOidcAttestor({ issuers: await Promise.all(oidc.map(withFiles)), clock });
        },
      },
    }),
    ...(x509pop !== undefined && {
      x509pop: {
        setting: "attestation.x509pop.ca",
        paths: [x509pop.ca],
        read: async () => createX509popAttestor({ authorities: await pemIn(x509pop.ca), clock, randomness: random }),
      },
    }),
  };
}

function filesOf({ roots, keys }: EvidenceIssuerConfig): readonly string[] {
  return [roots ?? [], keys !== undefined && "file" in keys ? keys.file : []].flat();
}

/** An issuer with what is in its files in place of their paths. */
async function withFiles({ keys, ...issuer }: EvidenceIssuerConfig): Promise<EvidenceIssuer> {
  const read = await withRoots(issuer);
  if (keys === undefined) return read;
  return { ...read, keys: "file" in keys ? { document: await keySetIn(keys.file) } : keys };
}
