import { BrokerError, errorOf } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import { formatProcess } from "../domain/process.ts";
import type { RegistrationEntry } from "../domain/registration-entry.ts";
import type { Attested, Entitled } from "../domain/stages.ts";
import type { IssuanceGate } from "../ports/directories.ts";
import { checkCsr } from "../verify/csr-proof.ts";
import { entitledTo } from "./entitle.ts";
import type { IssuanceRate } from "./issuance-rate.ts";

/** An X.509-SVID for a runtime, a verifier or an operator: for the key of a request, or for one that the broker made for it. */
export type InfrastructureWanted = { readonly entryId: string } & (
  | { readonly csr: Uint8Array }
  /** SubjectPublicKeyInfo, DER. */
  | { readonly publicKey: Uint8Array }
);

export type EntitleInfrastructurePorts = { readonly gate: IssuanceGate; readonly rate: IssuanceRate };

/** The broker's own X.509-SVID. Nobody asks for it but the broker, so there is no caller to be entitled. */
export function entitleServer(
  entry: RegistrationEntry,
  publicKey: Uint8Array,
  ports: Pick<EntitleInfrastructurePorts, "gate">,
): Entitled {
  if (entry.content.kind !== "server") throw new TypeError("not the broker's own entry");
  const suspended = ports.gate.refusal();
  if (suspended !== undefined) throw errorOf(suspended);
  return entitledAs(entry, publicKey);
}

/** Whether an entry has an identity of its own: an agent has one only within a step. */
export function isInfrastructure(entry: RegistrationEntry): boolean {
  return entry.content.kind !== "agent" && entry.content.kind !== "server";
}

/**
 * What the caller may be issued as what it is, beside any step: an identity, never a grant.
 *
 * @throws BrokerError NOT_ENTITLED for an entry that it does not match or that has no identity of its own, LIMIT_EXCEEDED,
 *   what the request's check throws, and the gate's
 */
export function entitleInfrastructure(
  caller: Attested,
  wanted: InfrastructureWanted,
  ports: EntitleInfrastructurePorts,
): Entitled {
  const suspended = ports.gate.refusal();
  if (suspended !== undefined) throw errorOf(suspended);
  const entry = caller.entries.find((one) => one.entryId === wanted.entryId);
  if (entry === undefined || !isInfrastructure(entry)) {
    throw new BrokerError("NOT_ENTITLED", "the caller matches no such entry of a runtime, a verifier or an operator");
  }
  ports.rate.take(`${entry.entryId}/${formatProcess(caller.process)}`, 1);
  return entitledAs(entry, "csr" in wanted ? checkCsr(wanted.csr).publicKey : wanted.publicKey);
}

function entitledAs(entry: RegistrationEntry, publicKey: Uint8Array): Entitled {
  return entitledTo({
    subject: { kind: "infrastructure", entryId: entry.entryId },
    spiffeId: entry.spiffeId,
    entryId: entry.entryId,
    entryRevision: entry.revision,
    ttlSeconds: LIMITS.x509SvidTtlSecondsDefault,
    content: { kind: "x509-svid", publicKey },
  });
}
