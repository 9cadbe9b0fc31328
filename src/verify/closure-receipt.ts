import { stateOfAll } from "../domain/closure.ts";
import { type ClosureReceipt, parseClosureReceiptText } from "../domain/closure-receipt.ts";
import { BrokerError } from "../domain/errors.ts";
import { type CheckedReceipt, checkReceipt, type LedgerKeys, type Refused } from "./ledger-proofs.ts";
import { openNote } from "./note.ts";
import { holdsReceipt } from "./receipt-signature.ts";

export type CheckedClosure = Pick<CheckedReceipt, "checkpoint" | "cosignedBy"> & {
  readonly kind: "closure";
  readonly receipt: ClosureReceipt;
};

/**
 * Checks a closure receipt: signed by the ledger's key, about an event that is in the ledger's tree, and with signatures of
 * verifiers that hold and reach the close. Whose the verifiers' keys are, the reader has to know.
 */
export function checkClosureReceipt(text: string, keys: LedgerKeys): CheckedClosure | Refused {
  const opened = openNote(text, [keys.log]);
  if (opened.kind === "refused") return opened;
  const receipt = parseClosureReceiptText(opened.text);
  if (receipt === undefined) return refused("what is signed is no closure");
  const proven = checkReceipt(receipt.proof, keys);
  if (proven.kind === "refused") return refused(`the close: ${proven.why}`);
  const why = whyNotOf(receipt, proven) ?? whySignaturesFail(receipt) ?? whyStateFails(receipt);
  if (why !== undefined) return refused(why);
  return { kind: "closure", receipt, checkpoint: proven.checkpoint, cosignedBy: proven.cosignedBy };
}

/** Why what is in the tree is not the close that is spoken of. */
function whyNotOf(
  { closedSequence, closedAt, stepsClosed }: ClosureReceipt,
  proven: CheckedReceipt,
): string | undefined {
  const event = JSON.parse(Buffer.from(proven.entry).toString()) as Readonly<Record<string, unknown>>;
  const isClose = event["type"] === "step.closed" && proven.sequence === closedSequence;
  if (!isClose) return "the event that is proved is not the close";
  const isSame = event["at"] === closedAt && event["count"] === stepsClosed;
  return isSame ? undefined : "the close that was recorded is another than the one that is stated";
}

function whySignaturesFail({ closure, closedSequence }: ClosureReceipt): string | undefined {
  for (const { verifier, signed } of closure.verifiers) {
    if (signed === undefined) continue;
    if (!holds(signed)) return `the signature of the verifier ${verifier} does not hold`;
    if (signed.sequence < closedSequence) return `what the verifier ${verifier} has signed does not reach the close`;
    if (!signed.verifier.endsWith(`/verifier/${verifier}`))
      return `the verifier ${verifier} brings another's signature`;
  }
  return undefined;
}

function holds(signed: Parameters<typeof holdsReceipt>[0]): boolean {
  try {
    return holdsReceipt(signed);
  } catch (thrown) {
    if (thrown instanceof BrokerError) return false;
    throw thrown;
  }
}

/** Why the state is not what the places and exchanges say. */
function whyStateFails({ closure: { state, places, exchanges } }: ClosureReceipt): string | undefined {
  const listed = stateOfAll(places, exchanges);
  return listed === state ? undefined : `it states ${state}, and what it lists is ${listed}`;
}

function refused(why: string): Refused {
  return { kind: "refused", why };
}
