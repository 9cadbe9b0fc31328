import type { Actor } from "../domain/actor.ts";
import { newId } from "../domain/ids.ts";
import type { Clock } from "../ports/clock.ts";
import type { InForce } from "../ports/following.ts";
import type { Ledger } from "../ports/ledger.ts";
import type { CloseResult } from "../ports/ledger-acts.ts";
import type { Randomness } from "../ports/randomness.ts";
import type { Authorities } from "./authorities.ts";
import type { Suspensions } from "./suspensions.ts";

export type AcceptRestorePorts = {
  readonly ledger: Pick<Ledger, "perform">;
  readonly clock: Clock;
  readonly random: Randomness;
  readonly authorities: Authorities;
  readonly suspensions: Suspensions;
  readonly inForce: InForce;
  /** Makes the ledger's head the one to continue from. */
  readonly trustHead: () => Promise<void>;
};

/**
 * Accepts the ledger as it is, by operator's order: a new epoch begins, every open step is closed, and all keys are
 * new. An acceptance that was cut short can safely be done again.
 *
 * @throws BrokerError LEDGER_UNAVAILABLE
 */
export async function acceptRestore(reason: string, by: Actor, ports: AcceptRestorePorts): Promise<CloseResult> {
  const { ledger, clock, random, suspensions } = ports;
  // From here on nobody will believe what the old keys sign.
  suspensions.suspend("restore", "the ledger is being accepted as it is; if this lasts, accept it again");
  const now = clock.now();
  const epoch = newId("epoch", now, random.bytes(10));
  const result = await ledger.perform({ act: "start-epoch", epoch, reason, by, now }).catch((thrown: unknown) => {
    suspensions.lift("restore");
    throw thrown;
  });
  await ports.authorities.replaceAll();
  await ports.inForce(result.sequence);
  await ports.trustHead();
  suspensions.lift("rollback");
  suspensions.lift("restore");
  return result;
}
