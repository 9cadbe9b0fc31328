import { createListeners } from "../follow/listeners.ts";
import { reliable } from "../follow/reliable.ts";
import type { Cancel } from "../ports/clock.ts";
import type { EntryDirectory } from "../ports/directories.ts";
import type { Committed, Following } from "../ports/following.ts";
import type { Ledger } from "../ports/ledger.ts";
import type { ProjectionReads } from "../ports/ledger-reads.ts";
import { createEntryIndex } from "./entry-index.ts";

export type KeptEntries = EntryDirectory & {
  readonly following: Following;
  /** Calls after each change, once the change is in force; ends with the returned function. */
  onChange(changed: () => void): Cancel;
};

export type EntryDirectoryPorts = {
  readonly ledger: Pick<Ledger, "follow">;
  readonly projections: Pick<ProjectionReads, "entries">;
  /** Takes what a listener throws. */
  readonly failed: (error: unknown) => void;
};

/**
 * Keeps the registration entries in memory, beside the ledger.
 *
 * @throws BrokerError LEDGER_UNAVAILABLE
 */
export async function keepEntryDirectory(ports: EntryDirectoryPorts): Promise<KeptEntries> {
  const { value, through } = await ports.projections.entries();
  const entries = createEntryIndex();
  for (const entry of value) entries.put(entry);
  const { onChange, tell } = createListeners(ports.failed);

  function take({ event }: Committed): void {
    if (event.type === "entry.put") entries.put(event.entry);
    else if (event.type === "entry.retired") entries.remove(event.entryId);
    else return;
    tell();
  }
  const following = ports.ledger.follow({ name: "registration entries", take, recovered: tell }, through);
  const inForce = reliable(following, entries);

  return {
    following,
    onChange,
    matching: (attested) => inForce().matching(attested),
    byId: (entryId) => inForce().byId(entryId),
    byName: (kind, name) => inForce().byName(kind, name),
    all: () => inForce().all(),
    wantsExecutableDigest: entries.wantsExecutableDigest,
    wantsSystemdUnit: entries.wantsSystemdUnit,
  };
}
