import { type DescendantPorts, identityRefusal } from "../decide/descendants.ts";
import { decidedOn } from "../domain/decision.ts";
import { BrokerError, errorOf } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import { identityOf } from "../domain/node-machine.ts";
import { formatProcess } from "../domain/process.ts";
import { isInfrastructure, type RegistrationEntry } from "../domain/registration-entry.ts";
import type { Attested, Entitled } from "../domain/stages.ts";
import type { IssuanceGate } from "../ports/directories.ts";
import { checkCsr } from "../verify/csr-proof.ts";
import { entitledTo } from "./entitle.ts";
import type { IssuanceRate } from "./issuance-rate.ts";

/** An X.509-SVID for a runtime, a verifier or an operator. */
export type InfrastructureWanted = { readonly entryId: string } & (
  | { readonly csr: Uint8Array }
  /** SubjectPublicKeyInfo, DER: of a request that was checked, or of a key that the broker made for the caller. */
  | { readonly publicKey: Uint8Array }
);

export type EntitleInfrastructurePorts = DescendantPorts & {
  readonly gate: IssuanceGate;
  readonly rate: IssuanceRate;
};

/** The broker's own X.509-SVID. Only the broker asks for it, so there is no caller to be entitled. */
export function entitleServer(
  entry: RegistrationEntry,
  publicKey: Uint8Array,
  ports: Pick<EntitleInfrastructurePorts, "gate">,
): Entitled {
  if (entry.content.kind !== "server") throw new TypeError("not the broker's own entry");
  const suspended = ports.gate.refusal();
  if (suspended !== undefined) throw errorOf(suspended);
  return entitledAs(entry, {}, publicKey);
}

/**
 * What the caller may be issued for itself, outside of any step: an identity, never a grant.
 *
 * @throws BrokerError NOT_ENTITLED for an entry that the caller does not match or that has no identity of its own, or for
 *   a process that one with a part in steps started; LIMIT_EXCEEDED, what `checkCsr` throws, and the gate's refusal
 */
export function entitleInfrastructure(
  caller: Attested,
  wanted: InfrastructureWanted,
  ports: EntitleInfrastructurePorts,
): Entitled {
  const entry = entryOf(caller, wanted.entryId, ports);
  const refusal = identityRefusal(caller, entry, ports);
  if (refusal !== undefined) throw refusal;
  countIssuance(caller, entry.entryId, ports);
  return entitledAs(entry, caller, "csr" in wanted ? checkCsr(wanted.csr).publicKey : wanted.publicKey);
}

/**
 * As `entitleInfrastructure`, for a caller whose evidence is not spent yet. The issuance is not counted here: a
 * stranger with bad evidence must not use up what the entry's own workloads may be issued.
 *
 * @throws BrokerError NOT_ENTITLED, and the gate's refusal
 */
export function entitleByEvidence(
  caller: Attested,
  wanted: { readonly entryId: string; readonly publicKey: Uint8Array },
  ports: Pick<EntitleInfrastructurePorts, "gate">,
): Entitled {
  return entitledAs(entryOf(caller, wanted.entryId, ports), caller, wanted.publicKey);
}

/** @throws BrokerError LIMIT_EXCEEDED when the caller's process is issued too much */
export function countIssuance(
  caller: Attested,
  entryId: string,
  { rate }: Pick<EntitleInfrastructurePorts, "rate">,
): void {
  rate.take(`${entryId}/${formatProcess(caller.process)}`, 1);
}

function entryOf(
  caller: Attested,
  entryId: string,
  { gate }: Pick<EntitleInfrastructurePorts, "gate">,
): RegistrationEntry {
  const suspended = gate.refusal();
  if (suspended !== undefined) throw errorOf(suspended);
  const entry = caller.entries.find((one) => one.entryId === entryId);
  if (entry !== undefined && isInfrastructure(entry)) return entry;
  throw new BrokerError("NOT_ENTITLED", "the caller matches no such entry of a runtime, a verifier or an operator");
}

function entitledAs(entry: RegistrationEntry, { machine }: Pick<Attested, "machine">, publicKey: Uint8Array): Entitled {
  const spiffeId = identityOf(entry, machine);
  if (spiffeId === undefined) throw new BrokerError("NOT_ENTITLED", "not a machine that the node's entry is of");
  return entitledTo({
    subject: { kind: "infrastructure", entryId: entry.entryId },
    spiffeId,
    decidedOn: decidedOn(entry),
    ttlSeconds: LIMITS.x509SvidTtlSecondsDefault,
    content: { kind: "x509-svid", publicKey },
  });
}
