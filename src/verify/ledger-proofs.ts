import { type AddCheckpoint, parseAddCheckpoint } from "../domain/add-checkpoint.ts";
import { type Checkpoint, checkpointOriginOf, ledgerOfOrigin, parseCheckpointText } from "../domain/checkpoint.ts";
import { leafHash } from "../domain/merkle-tree.ts";
import type { NoteKey } from "../domain/signed-note.ts";
import { parseTlogProof } from "../domain/tlog-proof.ts";
import { isConsistent, rootByInclusion } from "../domain/tree-proof.ts";
import { openNote, type SignedBy } from "./note.ts";

/** What checks what a ledger states. */
export type LedgerKeys = {
  /** Of the ledger's checkpoints. */
  readonly log: NoteKey;
  /** All of these have to have signed too. */
  readonly witnesses: readonly NoteKey[];
};

export type Refused = { readonly kind: "refused"; readonly why: string };

/** A checkpoint that the ledger signed, and by whom it was signed besides. */
export type CheckedCheckpoint = {
  readonly kind: "checkpoint";
  readonly checkpoint: Checkpoint;
  readonly cosignedBy: readonly SignedBy[];
};

export type CheckedReceipt = Omit<CheckedCheckpoint, "kind"> & {
  readonly kind: "receipt";
  /** What was recorded. */
  readonly entry: Uint8Array;
  readonly sequence: number;
};

/** Checks a signed checkpoint: signed by the key, under the key's own name, and by every witness. */
export function checkCheckpoint(note: string, { log, witnesses }: LedgerKeys): CheckedCheckpoint | Refused {
  const opened = openNote(note, [log, ...witnesses]);
  if (opened.kind === "refused") return { ...opened, why: whyUnsigned(note, log) ?? opened.why };
  const { text, signedBy } = opened;
  const missing = [log, ...witnesses].find((key) => !signedBy.some((one) => one.key === key));
  if (missing !== undefined) return refused(`${missing.name} has not signed it`);
  const checkpoint = parseCheckpointText(text);
  if (checkpoint === undefined) return refused("what is signed is no checkpoint");
  if (checkpoint.origin !== log.name) return refused("it is the checkpoint of another ledger than the key's");
  return { kind: "checkpoint", checkpoint, cosignedBy: signedBy.filter(({ key }) => key !== log) };
}

/** A key is of one epoch; whoever has the key of another is told so. */
function whyUnsigned(note: string, log: NoteKey): string | undefined {
  const [own, other] = [ledgerOfOrigin(log.name), ledgerOfOrigin(checkpointOriginOf(note))];
  if (own === undefined || other === undefined || own.trustDomain !== other.trustDomain) return undefined;
  return own.epoch === other.epoch ? undefined : `it is of epoch ${other.epoch}, and the key of ${own.epoch}`;
}

/** Checks a receipt: that the entry which it brings is a leaf of the tree that the ledger signed. */
export function checkReceipt(text: string, keys: LedgerKeys): CheckedReceipt | Refused {
  const proof = parseTlogProof(text);
  if (proof === undefined) return refused("it is no tlog-proof");
  const { extra, leafIndex, hashes } = proof;
  if (extra === undefined) return refused("it does not bring the event that it is about");
  const signed = checkCheckpoint(proof.checkpoint, keys);
  if (signed.kind === "refused") return signed;
  const { rootHash, size } = signed.checkpoint;
  const root = rootByInclusion(leafIndex, size, leafHash(extra), hashes);
  if (root === undefined || Buffer.compare(root, rootHash) !== 0) {
    return refused("the event is not the one that was recorded there: the proof gives another tree than was signed");
  }
  return { ...signed, kind: "receipt", entry: extra, sequence: leafIndex + 1 };
}

/** Checks that a ledger begins with what it was when an earlier checkpoint of it was signed. */
export function checkConsistency(
  text: string,
  earlier: string,
  keys: LedgerKeys,
): (Omit<CheckedCheckpoint, "kind"> & { readonly kind: "consistency"; readonly earlier: Checkpoint }) | Refused {
  const proof: AddCheckpoint | undefined = parseAddCheckpoint(text);
  if (proof === undefined) return refused("it is no proof of consistency");
  // What a witness had signed of the earlier one is nothing that this proof is about.
  const before = checkCheckpoint(earlier, { ...keys, witnesses: [] });
  if (before.kind === "refused") return refused(`the earlier checkpoint: ${before.why}`);
  const signed = checkCheckpoint(proof.checkpoint, keys);
  if (signed.kind === "refused") return signed;
  if (proof.oldSize !== before.checkpoint.size) {
    return refused(`it continues ${proof.oldSize} events, and the earlier checkpoint has ${before.checkpoint.size}`);
  }
  if (!isConsistent(before.checkpoint, signed.checkpoint, proof.hashes)) {
    return refused("the ledger does not begin with what it was: its past is another");
  }
  return { ...signed, kind: "consistency", earlier: before.checkpoint };
}

function refused(why: string): Refused {
  return { kind: "refused", why };
}
