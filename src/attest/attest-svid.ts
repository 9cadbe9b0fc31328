import { BrokerError } from "../domain/errors.ts";
import { identityOf } from "../domain/node-machine.ts";
import { remoteProcess } from "../domain/process.ts";
import { isOfKind, type RegistrationEntry } from "../domain/registration-entry.ts";
import { namesGroup } from "../domain/selector.ts";
import { infrastructureNameOf, type Segment, type SpiffeId } from "../domain/spiffe-id.ts";
import type { Attested } from "../domain/stages.ts";
import type { Attestor, Peer } from "../ports/attestor.ts";
import type { EntryDirectory } from "../ports/directories.ts";
import { attestedAs } from "./attest.ts";

/** The other end of a mutual-TLS connection: the identity that its SVID proved, and over a unix socket its process. */
export type SvidPeer = { readonly identity: { readonly spiffeId: SpiffeId }; readonly process: Peer | undefined };

export type AttestSvidPorts = { readonly attestor: Attestor; readonly entries: EntryDirectory };

/** Stands for the uid of a caller whose uid is not known. */
export const NO_UID = -1;

/**
 * Makes a caller of a peer that proved to hold the X.509-SVID of a runtime, a verifier or an operator: by the entry as
 * it is now, and by nothing that the peer says of itself. An SVID of a step makes no caller here.
 *
 * @throws BrokerError NO_IDENTITY when no entry in force has this SPIFFE ID, or the peer's process is gone
 */
export async function attestSvid(peer: SvidPeer, ports: AttestSvidPorts): Promise<Attested> {
  const { spiffeId } = peer.identity;
  const { entry, machine } = namedBy(spiffeId, ports.entries);
  if (entry === undefined) {
    throw new BrokerError("NO_IDENTITY", "no registration entry in force has the caller's SPIFFE ID");
  }
  // The SVID does not say on which machine the runtime is, and what is another machine's must stay that machine's.
  if (isOfKind(entry, "runtime") && namesGroup(entry.content.selectors)) {
    throw new BrokerError("NO_IDENTITY", "a runtime on a group of nodes is served on its own machine alone");
  }
  const seen =
    peer.process === undefined ? undefined : await ports.attestor.attest(peer.process, { executableDigest: false });
  return attestedAs({
    selectors: seen?.selectors ?? new Set(),
    process: seen?.process ?? remoteProcess(entry.entryId, machine),
    uid: seen?.uid ?? NO_UID,
    sharesPids: seen?.sharesPids ?? false,
    ...(seen?.executable === undefined ? {} : { executable: seen.executable }),
    ...(machine === undefined ? {} : { machine }),
    entries: [entry],
  });
}

function namedBy(
  spiffeId: SpiffeId,
  entries: EntryDirectory,
): { readonly entry?: RegistrationEntry; readonly machine?: Segment } {
  const named = infrastructureNameOf(spiffeId);
  const entry = named === undefined ? undefined : entries.byName(named.kind, named.name);
  if (named === undefined || entry === undefined || entry.disabled) return {};
  if (identityOf(entry, named.machine) !== spiffeId) return {};
  return { entry, ...(named.machine === undefined ? {} : { machine: named.machine }) };
}
