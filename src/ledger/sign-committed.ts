import { BrokerError, denialFrom, isDenial } from "../domain/errors.ts";
import { unsigned } from "../domain/signable.ts";
import type { RecordedDraft, Signing } from "../domain/stages.ts";
import type { CommitSigner } from "../ports/commit-signer.ts";
import type { RecordIssuancesAct } from "../ports/issuance-acts.ts";
import type { LedgerAct, ResultOf } from "../ports/ledger-acts.ts";

type Done = { readonly kind: "done"; readonly result: ResultOf };

/**
 * Adds the signatures to what became of a group of acts. To be called by an adapter of the ledger, in the thread that
 * commits, once the commit of the group has returned: an item is signed if its act is done and its answer names its row.
 *
 * @param outcomes - of the acts, in their order.
 */
export function signCommitted<Failed extends { readonly kind: "failed" }>(
  acts: readonly LedgerAct[],
  outcomes: readonly (Done | Failed)[],
  signer: CommitSigner,
): readonly (Done | Failed)[] {
  return outcomes.map((outcome, position) => {
    const act = acts[position];
    if (outcome.kind !== "done" || act?.act !== "record-issuances") return outcome;
    return { kind: "done", result: signedEach(act, outcome.result as ResultOf<"record-issuances">, signer) };
  });
}

function signedEach(
  { items }: RecordIssuancesAct,
  results: ResultOf<"record-issuances">,
  signer: CommitSigner,
): ResultOf<"record-issuances"> {
  return results.map((result, index) => {
    const { record, toBeSigned } = items[index] ?? {};
    if (isDenial(result) || record === undefined || toBeSigned === undefined) return result;
    // The row is durable: the answer of a transaction that was committed names it.
    const recorded = { record, toBeSigned, sequence: result.sequence } as RecordedDraft;
    return { ...result, signing: signingOf(recorded, signer) };
  });
}

/** Nothing that a signer throws may end the thread: the row is there, and its issuer has to be told. */
function signingOf(recorded: RecordedDraft, signer: CommitSigner): Signing {
  try {
    return { kind: "signature", signature: signer.sign(recorded) };
  } catch (thrown) {
    return denialFrom(thrown instanceof BrokerError ? thrown : unsigned(String(thrown)));
  }
}
