import { BrokerError } from "../domain/errors.ts";
import { remoteProcess } from "../domain/process.ts";
import type { RegistrationEntry } from "../domain/registration-entry.ts";
import { infrastructureNameOf, type SpiffeId } from "../domain/spiffe-id.ts";
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
  const entry = entryOf(spiffeId, ports.entries);
  if (entry === undefined) {
    throw new BrokerError("NO_IDENTITY", "no registration entry in force has the caller's SPIFFE ID");
  }
  const seen =
    peer.process === undefined ? undefined : await ports.attestor.attest(peer.process, { executableDigest: false });
  return attestedAs({
    selectors: seen?.selectors ?? new Set(),
    process: seen?.process ?? remoteProcess(entry.entryId),
    uid: seen?.uid ?? NO_UID,
    sharesPids: seen?.sharesPids ?? false,
    ...(seen?.executable === undefined ? {} : { executable: seen.executable }),
    entries: [entry],
  });
}

function entryOf(spiffeId: SpiffeId, entries: EntryDirectory): RegistrationEntry | undefined {
  const named = infrastructureNameOf(spiffeId);
  const entry = named === undefined ? undefined : entries.byName(named.kind, named.name);
  return entry === undefined || entry.disabled || entry.spiffeId !== spiffeId ? undefined : entry;
}
