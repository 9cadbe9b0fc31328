import { BrokerError, type Denial, isDenial } from "../domain/errors.ts";
import type { Drafted, Recorded } from "../domain/stages.ts";
import type { Clock } from "../ports/clock.ts";
import type { Ledger } from "../ports/ledger.ts";

export type RecordPorts = { readonly ledger: Pick<Ledger, "perform">; readonly clock: Clock };

/**
 * Makes the drafts' rows durable, all in one append. The ledger checks once more, in the same transaction, whether each
 * draft may be issued; a draft that it refuses is never signed. A ledger that signs what it recorded answers with the
 * signatures, so that issuing is one message to the ledger's thread.
 */
export async function record(
  drafted: readonly (Drafted | Denial)[],
  ports: RecordPorts,
): Promise<readonly (Recorded | Denial)[]> {
  const drafts = drafted.filter((item): item is Drafted => !isDenial(item));
  if (drafts.length === 0) return drafted as readonly Denial[];

  const results = await ports.ledger.perform({
    act: "record-issuances",
    items: drafts.map((item) => ({
      record: item.record,
      decidedOn: item.decidedOn,
      toBeSigned: item.toBeSigned,
      ...(item.executable === undefined ? {} : { executable: item.executable }),
    })),
    now: ports.clock.now(),
  });
  const outcomes = results[Symbol.iterator]();
  return drafted.map((item) => {
    if (isDenial(item)) return item;
    const outcome = outcomes.next().value;
    if (outcome === undefined) throw new BrokerError("LEDGER_UNAVAILABLE", "the ledger did not answer for a draft");
    if (outcome.kind === "denial") return outcome;
    const { record, toBeSigned, authority } = item;
    const { sequence, signing } = outcome;
    return { record, toBeSigned, authority, sequence, ...(signing === undefined ? {} : { signing }) } as Recorded;
  });
}
