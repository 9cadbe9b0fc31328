import type { Authority } from "../domain/authority.ts";
import { BrokerError, type Denial, denial, denialFrom, errorOf, isDenial } from "../domain/errors.ts";
import type { Delivery, Drafted } from "../domain/stages.ts";
import type { IssuanceGate } from "../ports/directories.ts";
import { deliveredApart } from "./deliver.ts";
import { type DraftedApart, draftedApart } from "./draft.ts";
import { each } from "./each.ts";
import type { IssuanceRate } from "./issuance-rate.ts";
import { type IssueDraftedPorts, issueDrafted } from "./issue-entitled.ts";

/*
 * The issuance path in two processes: what a front end entitled and drafted, the process of the ledger records, signs and delivers, in
 * one message each way. A front end has no key, and records nothing by itself.
 */

/** A draft on its way to the process of the ledger; JSON. `toBeSigned` is base64. */
export type SentDraft = Omit<DraftedApart, "toBeSigned" | "authority"> & { readonly toBeSigned: string };

/** What came of a draft; JSON. `svid` is base64. */
export type SentDelivery = { readonly kind: "svid"; readonly issuanceId: string; readonly svid: string } | Denial;

/** Asks the process of the ledger. @returns as `issueDrafted` */
export async function issueThere(
  drafted: readonly (Drafted | Denial)[],
  ask: (drafts: readonly SentDraft[]) => Promise<readonly SentDelivery[]>,
): Promise<readonly (Delivery | Denial)[]> {
  const drafts = drafted.filter((item): item is Drafted => !isDenial(item));
  if (drafts.length === 0) return drafted as readonly Denial[];
  const answers = (await ask(drafts.map(sentDraft)))[Symbol.iterator]();
  return each(drafted, ({ record, authority }) => {
    const answer = answers.next().value;
    if (answer === undefined) throw new BrokerError("LEDGER_UNAVAILABLE", "the ledger did not answer for a draft");
    if (answer.kind === "denial") return answer;
    return deliveredApart(record, Buffer.from(answer.svid, "base64"), authority);
  });
}

function sentDraft({ record, toBeSigned, decidedOn, executable }: Drafted): SentDraft {
  return {
    record,
    toBeSigned: Buffer.from(toBeSigned).toString("base64"),
    decidedOn,
    ...(executable === undefined ? {} : { executable }),
  };
}

export type IssueHerePorts = IssueDraftedPorts & {
  readonly gate: IssuanceGate;
  readonly rate: IssuanceRate;
  readonly authorities: { byId(authorityId: string): Authority | undefined };
};

/**
 * Records, signs and delivers what a front end drafted. What holds for all front ends together is looked at here: whether anything may
 * be issued at all, and how fast one step may be.
 *
 * @returns one answer for each draft, in their order.
 * @throws BrokerError the gate's refusal, as `entitle` does
 */
export async function issueHere(drafts: readonly SentDraft[], ports: IssueHerePorts): Promise<readonly SentDelivery[]> {
  const suspended = ports.gate.refusal();
  if (suspended !== undefined) throw errorOf(suspended);
  const overRate = tooFast(drafts, ports.rate);
  const drafted = drafts.map((sent): Drafted | Denial => {
    const refused = overRate.get(stepIdOf(sent));
    if (refused !== undefined) return refused;
    const authority = ports.authorities.byId(sent.record.authorityId);
    if (authority === undefined) return denial("AUTHORITY_UNAVAILABLE", "no such authority");
    return draftedApart({ ...sent, toBeSigned: Buffer.from(sent.toBeSigned, "base64"), authority });
  });
  const answers = await issueDrafted(drafted, ports);
  return answers.map((answer) =>
    isDenial(answer)
      ? answer
      : { kind: "svid", issuanceId: answer.issuanceId, svid: Buffer.from(answer.svid).toString("base64") },
  );
}

/** The steps that are issued more than they may be, by their ids. */
function tooFast(drafts: readonly SentDraft[], rate: IssuanceRate): ReadonlyMap<string, Denial> {
  const counts = Map.groupBy(drafts, stepIdOf);
  const refused = new Map<string, Denial>();
  for (const [stepId, { length }] of counts) {
    try {
      rate.take(stepId, length);
    } catch (thrown) {
      refused.set(stepId, denialFrom(thrown));
    }
  }
  return refused;
}

function stepIdOf({ record: { subject } }: SentDraft): string {
  if (subject.kind === "step") return subject.stepId;
  throw new TypeError("a front end issues for steps alone");
}
