import { BrokerError } from "../domain/errors.ts";
import type { Attested, Unbranded } from "../domain/stages.ts";
import type { Attestor, Peer } from "../ports/attestor.ts";
import type { EntryDirectory } from "../ports/directories.ts";

export type AttestPorts = { readonly attestor: Attestor; readonly entries: EntryDirectory };

/**
 * Makes a caller of the process at a connection's other end: evidence of the process as it is now is matched against
 * the entries in force. What the process says of itself is not looked at.
 *
 * @throws BrokerError NO_IDENTITY when the process is gone or replaced, or matches no entry
 */
export async function attest(peer: Peer, ports: AttestPorts): Promise<Attested> {
  const evidence = await ports.attestor.attest(peer, {
    executableDigest: ports.entries.wantsExecutableDigest(),
    systemdUnit: ports.entries.wantsSystemdUnit(),
  });
  const entries = ports.entries.matching(evidence.selectors);
  if (entries.length === 0) {
    throw new BrokerError("NO_IDENTITY", "no registration entry matches the calling process", {
      detail: `selectors ${[...evidence.selectors].join(" ")}; unavailable ${evidence.unavailable.map((one) => `${one.kind} (${one.reason})`).join(", ")}`,
    });
  }
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
