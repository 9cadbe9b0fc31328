import type { OperatorActor } from "../domain/actor.ts";
import { BrokerError } from "../domain/errors.ts";
import type { RecordedPrincipal } from "../domain/principal.ts";
import type { Attested } from "../domain/stages.ts";
import type { PrincipalVault } from "../ports/principal-vault.ts";
import { knownPrincipal } from "./known-principal.ts";
import { operatorWith } from "./step-access.ts";

export type Approver = {
  readonly by: OperatorActor;
  /** The entry by which the caller approves, as it was looked at. */
  readonly entry: { readonly entryId: string; readonly revision: number };
};

/**
 * The caller as one that approves. No other role does: an administrator, who could approve by it, would have to be
 * nobody's requester, and can give the role to somebody else.
 *
 * @throws BrokerError NOT_ENTITLED
 */
export function approverOf(caller: Attested): Approver {
  const { entryId, revision } = operatorWith(caller, ["approver"]);
  return { by: { kind: "operator", entryId, uid: caller.uid }, entry: { entryId, revision } };
}

/** Who asked for what waits. */
export type Requesters = {
  /** Users. */
  readonly requesters: readonly number[];
  /** Of the step that waits, or whose call does. */
  readonly step: {
    readonly openerEntryId: string;
    readonly agentEntryId: string;
    readonly principal?: RecordedPrincipal;
  };
};

/**
 * Nobody approves what they asked for: neither the user who asked, nor one who executes it, nor whom it is for. An approver
 * of whom only the issuer is known, which is that of whom the step is for, could be anybody whom that issuer vouches for.
 *
 * @throws BrokerError NOT_ENTITLED
 */
export async function checkNotRequester(
  caller: Attested,
  { requesters, step }: Requesters,
  { principals }: { readonly principals: Pick<PrincipalVault, "open"> },
): Promise<void> {
  if (requesters.includes(caller.uid)) throw refusal("the user who asked does not approve");
  const isParty = caller.entries.some(({ entryId }) => entryId === step.openerEntryId || entryId === step.agentEntryId);
  if (isParty) throw refusal("the entry that opens the step, or executes it, does not approve it");
  const principal = await knownPrincipal(step, principals);
  if (principal === undefined) return;
  const known = new Set<string>([...caller.selectors, ...caller.entries.flatMap(({ content }) => content.selectors)]);
  if (!known.has(`oidc:iss:${principal.iss}`)) return;
  if (known.has(`oidc:sub:${principal.sub}`)) throw refusal("whom the step works for does not approve it");
  if (![...known].some((selector) => selector.startsWith("oidc:sub:"))) {
    throw refusal("an approver whose entry names no oidc:sub could be whom the step works for");
  }
}

function refusal(message: string): BrokerError {
  return new BrokerError("NOT_ENTITLED", message);
}
