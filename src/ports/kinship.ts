import type { Lineage, Place } from "../domain/descent.ts";
import type { ProcessIdentity } from "../domain/process.ts";

/** What the kernel tells of the kinship of processes, at the moment it is asked. */
export type Kinship = {
  /**
   * A live process and those above it. `untold` where not all of them can be told: the process is gone, the chain
   * changes while it is read, is longer than any ordinary one, or is partly hidden from the broker.
   */
  lineageOf(process: ProcessIdentity): Lineage;
  /** Where a process is now; `undefined` for one that is gone. */
  placeOf(process: ProcessIdentity): Place | undefined;
  /** Every process that the broker can see. */
  alive(): readonly ProcessIdentity[];
};
