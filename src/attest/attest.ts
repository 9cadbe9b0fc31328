import { BrokerError } from "../domain/errors.ts";
import type { Attested, Unbranded } from "../domain/stages.ts";
import type { Attestor, Evidence, Peer } from "../ports/attestor.ts";
import type { EntryDirectory } from "../ports/directories.ts";

export type AttestPorts = { readonly attestor: Attestor; readonly entries: EntryDirectory };

/**
 * Makes a caller of the process at a connection's other end: evidence of the process as it is now is matched against
 * the entries in force. What the process says of itself is not looked at.
 *
 * @param seen - given the evidence, also when it matches no entry.
 * @throws BrokerError NO_IDENTITY when the process is gone or replaced, or matches no entry
 */
export async function attest(
  peer: Peer,
  ports: AttestPorts,
  seen: (evidence: Evidence) => void = () => undefined,
): Promise<Attested> {
  const evidence = await ports.attestor.attest(peer, {
    executableDigest: ports.entries.wantsExecutableDigest(),
    systemdUnit: ports.entries.wantsSystemdUnit(),
  });
  seen(evidence);
  const caller = matched(evidence, ports);
  if (caller !== undefined) return caller;
  throw new BrokerError("NO_IDENTITY", "no registration entry matches the calling process", {
    detail: `selectors ${[...evidence.selectors].join(" ")}; unavailable ${evidence.unavailable.map((one) => `${one.kind} (${one.reason})`).join(", ")}`,
  });
}

/**
 * All that can be found out about the process at a connection's other end, for that process to see.
 *
 * @returns caller: absent when no entry matches
 * @throws BrokerError NO_IDENTITY when the process is gone or replaced, or nothing can be found out
 */
export async function lookAt(
  peer: Peer,
  ports: AttestPorts,
): Promise<{ readonly evidence: Evidence; readonly caller: Attested | undefined }> {
  const evidence = await ports.attestor.attest(peer, { executableDigest: true, systemdUnit: true });
  return { evidence, caller: matched(evidence, ports) };
}

function matched(evidence: Evidence, { entries: directory }: Pick<AttestPorts, "entries">): Attested | undefined {
  const entries = directory.matching(evidence.selectors);
  if (entries.length === 0) return undefined;
  return attestedAs({
    selectors: evidence.selectors,
    process: evidence.process,
    uid: evidence.uid,
    sharesPids: evidence.sharesPids,
    ancestors: evidence.ancestors,
    ...(evidence.executable === undefined ? {} : { executable: evidence.executable }),
    entries,
  });
}

/** For this room alone: each function that calls this one has looked at the evidence. */
export function attestedAs(facts: Unbranded<Attested>): Attested {
  return facts as Attested;
}
