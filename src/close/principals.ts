import type { Actor } from "../domain/actor.ts";
import { type Denial, errorOf, invalidField, isDenial } from "../domain/errors.ts";
import { BAR_AHEAD } from "../domain/principal.ts";
import type { Clock } from "../ports/clock.ts";
import type { InForce } from "../ports/following.ts";
import type { Ledger } from "../ports/ledger.ts";
import type { CloseResult } from "../ports/ledger-acts.ts";
import type { HistoryReads, RegistryReads } from "../ports/ledger-reads.ts";
import type { PrincipalVault } from "../ports/principal-vault.ts";

export type PrincipalActPorts = {
  readonly ledger: Pick<Ledger, "perform">;
  readonly history: Pick<HistoryReads, "preview">;
  readonly principals: Pick<PrincipalVault, "eraseOnce">;
  readonly registryReads: Pick<RegistryReads, "principal">;
  readonly clock: Pick<Clock, "now">;
  readonly inForce: InForce;
};

/** `sequence` is 0 when nothing was recorded. */
export type PrincipalEnded = Pick<CloseResult, "sequence" | "stepsClosed" | "credentialsRevoked">;

/**
 * Ends all that is done for a principal, and refuses more.
 *
 * @param order.barAhead - also for a principal whom no step ever named.
 * @throws BrokerError INVALID_FIELD `bar_ahead`, LEDGER_UNAVAILABLE
 */
export async function offboard(
  principalId: string,
  { barAhead, by }: { readonly barAhead: boolean; readonly by: Actor },
  ports: PrincipalActPorts,
): Promise<PrincipalEnded> {
  const act = { act: "offboard-principal", principalId, barAhead, by, now: ports.clock.now() } as const;
  return inForce(await ports.ledger.perform(act), ports);
}

/**
 * What offboarding would end now.
 *
 * @throws BrokerError as `offboard`
 */
export async function previewOffboarding(
  principalId: string,
  { barAhead }: { readonly barAhead: boolean },
  { history, registryReads, clock }: PrincipalActPorts,
): Promise<PrincipalEnded> {
  const known = barAhead || (await registryReads.principal(principalId)) !== undefined;
  if (!known) throw invalidField("bar_ahead", BAR_AHEAD);
  const found = await history.preview({ kind: "principal", principalId }, clock.now());
  return { sequence: 0, stepsClosed: found.stepsCount, credentialsRevoked: found.issuancesCount };
}

/** @throws BrokerError INVALID_FIELD `by` for one who was not offboarded, LEDGER_UNAVAILABLE */
export async function readmit(
  principalId: string,
  by: Actor,
  { ledger, clock }: PrincipalActPorts,
): Promise<{ readonly sequence: number }> {
  const readmitted = await ledger.perform({ act: "readmit-principal", principalId, by, now: clock.now() });
  if (isDenial(readmitted)) throw errorOf(readmitted);
  return readmitted;
}

/**
 * Ends all that is done for a principal, and then deletes the key. The event comes first: should the broker end between the
 * two, its next start deletes the key.
 *
 * @throws BrokerError INVALID_FIELD `by` for one whom nothing here names, LEDGER_UNAVAILABLE
 */
export async function erase(principalId: string, by: Actor, ports: PrincipalActPorts): Promise<PrincipalEnded> {
  const act = { act: "erase-principal", principalId, by } as const;
  let ended: CloseResult | Denial | undefined;
  await ports.principals.eraseOnce(principalId, async () => {
    ended = await ports.ledger.perform({ ...act, now: ports.clock.now() });
    return !isDenial(ended);
  });
  if (ended === undefined) throw new RangeError("an erasure that was not asked for");
  return inForce(ended, ports);
}

async function inForce(ended: CloseResult | Denial, ports: PrincipalActPorts): Promise<PrincipalEnded> {
  if (isDenial(ended)) throw errorOf(ended);
  if (ended.sequence > 0) await ports.inForce(ended.sequence);
  return ended;
}
