import { BrokerError } from "../domain/errors.ts";
import type { KeptHead } from "../ports/checkpoint-store.ts";
import type { Ledger } from "../ports/ledger.ts";
import type { LogReads } from "../ports/log-reads.ts";

export type SeenCheckpointPorts = {
  /** The head that a signed checkpoint of this broker is of; `undefined` for anything else. */
  readonly checkpoints: { believed(note: string): KeptHead | undefined };
  readonly ledger: Pick<Ledger, "head">;
  readonly log: Pick<LogReads, "logPage">;
  /** Told that somebody was shown more than the ledger has, or another ledger: it was put back in time. */
  readonly rolledBack: (why: string) => void;
};

/**
 * Holds the ledger against a checkpoint that somebody was given earlier. Nobody but this broker can have signed it, so that a ledger which
 * does not continue it is one that went back in time.
 *
 * @param note - "" where nothing was seen. What this broker has not signed says nothing, nor does what it signed before the epoch that is.
 * @throws BrokerError NOT_SERVING where the ledger does not continue it
 */
export async function checkSeen(note: string, ports: SeenCheckpointPorts): Promise<void> {
  const seen = note === "" ? undefined : ports.checkpoints.believed(note);
  const { epoch } = ports.ledger.head();
  if (seen === undefined || seen.epoch < epoch) return;
  const { head } = await ports.log.logPage(seen.sequence, 0);
  const isContinued = head.sequence === seen.sequence && Buffer.compare(head.rootHash, seen.rootHash) === 0;
  if (seen.epoch === epoch && isContinued) return;
  const what = head.sequence < seen.sequence ? `the ledger ends at ${head.sequence}` : "the ledger is another there";
  ports.rolledBack(`a standby was shown a checkpoint of event ${seen.sequence}, and ${what}`);
  throw new BrokerError("NOT_SERVING", "the ledger does not continue the checkpoint that this standby was shown");
}
