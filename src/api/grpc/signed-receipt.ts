import type { Cursor } from "../../close/watch.ts";
import { base64urlOf } from "../../domain/base64url.ts";
import { invalidField } from "../../domain/errors.ts";
import { isOfKind } from "../../domain/registration-entry.ts";
import type { SignedReceipt } from "../../domain/signed-receipt.ts";
import type { WatchRequest_Signature } from "../../gen/stint/v1/revocations_pb.js";
import type { EntryDirectory } from "../../ports/directories.ts";
import { isSignedReceipt } from "../../verify/receipt-signature.ts";
import { microsOfTimestamp } from "../../wire/timestamps.ts";

/**
 * What a verifier signed with an acknowledgement.
 *
 * @returns `undefined` for a verifier whose entry names no key: what it signs proves nothing.
 * @throws BrokerError INVALID_FIELD `signature` for one that the entry's key did not make over this, or over more than was
 *   acknowledged
 */
export async function signedReceipt(
  { sequence, at, signature }: WatchRequest_Signature,
  acknowledged: Cursor,
  entryId: string,
  entries: Pick<EntryDirectory, "byId">,
): Promise<SignedReceipt | undefined> {
  const entry = entries.byId(entryId);
  if (entry === undefined || !isOfKind(entry, "verifier") || entry.content.receiptKey === undefined) return undefined;
  if (at === undefined) throw invalidField("signature.at", "the instant that was signed");
  if (sequence > BigInt(acknowledged.sequence)) throw invalidField("signature.sequence", "not beyond the cursor");
  const receipt: SignedReceipt = {
    verifier: entry.spiffeId,
    epoch: acknowledged.epoch,
    sequence: Number(sequence),
    at: microsOfTimestamp(at, "signature.at"),
    key: entry.content.receiptKey,
    signature: base64urlOf(signature),
  };
  if (!(await isSignedReceipt(receipt))) throw invalidField("signature.signature", "one by the entry's receipt_key");
  return receipt;
}
