import { checkpointOrigin } from "../../src/domain/checkpoint.ts";
import type { NoteKey } from "../../src/domain/signed-note.ts";
import { isConsistent } from "../../src/domain/tree-proof.ts";
import { checkClosureReceipt } from "../../src/verify/closure-receipt.ts";
import { type CheckedCheckpoint, checkCheckpoint } from "../../src/verify/ledger-proofs.ts";
import { TRUST_DOMAIN } from "./broker.ts";
import type { KeptCheckpoint } from "./checkpoint-places.ts";
import { note, promise } from "./model-history.ts";
import type { World } from "./world.ts";

/** A checkpoint that was looked at. */
export type SeenCheckpoint = CheckedCheckpoint["checkpoint"] & { readonly note: string };

/** Every checkpoint that was kept is signed, and of what was recorded by then. */
export async function checkCheckpoints(world: World): Promise<void> {
  const { model, places, seenCheckpoints, leaves } = world;
  for (const one of places.kept.splice(0)) {
    const seen = opened(one, world);
    const { size, rootHash } = seen;
    promise(size <= one.head, "no checkpoint is ahead of what was committed");
    promise(isSame(rootHash, leaves.root(size)), "its root is that of the events' leaves");
    const before = seenCheckpoints.get(one.place);
    promise(before === undefined || before.size <= size, "what is kept in a place never goes back");
    if (before !== undefined) await checkConsistent(before, seen, world);
    seenCheckpoints.set(one.place, seen);
    world.firstCheckpoint ??= seen;
    note(model, `checkpoint ${one.place}`);
  }
  for (const { sequence, rootHash } of places.found.splice(0)) {
    promise(isSame(rootHash, leaves.root(sequence)), "a broker finds what its ledger continues");
  }
  const head = world.ground.store.ledger.head();
  promise(isSame(head.rootHash, leaves.root(head.sequence)), "the root of the ledger is that of the events' leaves");
}

/** What is recorded is in a checkpoint a second later, in both places, and what was signed before still holds. */
export async function checkCheckpointsInTheEnd(world: World): Promise<void> {
  const { sequence } = world.ground.store.ledger.head();
  await world.pass(2);
  await checkCheckpoints(world);
  for (const [place, seen] of world.seenCheckpoints) {
    const { firstCheckpoint = seen } = world;
    await checkConsistent(firstCheckpoint, seen, world);
    promise(seen.size >= sequence, `what was recorded is in a checkpoint a second later: ${place}`);
  }
  promise(world.seenCheckpoints.size === 2, "in both places");
  checkReceipts(world);
}

/** A closure receipt holds, whatever has become of its broker and its ledger. */
function checkReceipts(world: World): void {
  const { model, leaves, closureReceipts } = world;
  for (const text of closureReceipts) {
    const checked = keysOf(world).map((log) => checkClosureReceipt(text, { log, witnesses: [] }));
    const why = checked.map((one) => (one.kind === "refused" ? one.why : one.kind)).join(", ");
    const held = checked.find((one) => one.kind === "closure");
    promise(held?.kind === "closure", `a closure receipt holds by the key of the ledger: ${why}`);
    const { size, rootHash } = held.checkpoint;
    promise(isSame(rootHash, leaves.root(size)), "and proves an event of the ledger");
    const { step, closedSequence, closure } = held.receipt;
    const { closed } = model.steps.get(step.stepId) ?? {};
    promise(closed?.sequence === closedSequence, "of the close that it speaks of");
    if (closure.verifiers.some(({ signed }) => signed !== undefined)) note(model, "receipt with a signature");
  }
}

async function checkConsistent(older: SeenCheckpoint, newer: SeenCheckpoint, { ground }: World): Promise<void> {
  const proof = await ground.store.tree.consistency(older.size, newer.size);
  promise(isConsistent(older, newer, proof), "of two checkpoints the newer continues the older");
}

function opened({ note: text }: Pick<KeptCheckpoint, "note">, world: World): SeenCheckpoint {
  // What stands in both places is opened once.
  const known = [...world.seenCheckpoints.values()].find((one) => one.note === text);
  if (known !== undefined) return known;
  const checked = keysOf(world).map((log) => checkCheckpoint(text, { log, witnesses: [] }));
  const held = checked.find((one) => one.kind === "checkpoint");
  promise(held?.kind === "checkpoint", "a checkpoint is signed, under the name of an epoch");
  return { ...held.checkpoint, note: text };
}

/** What verifiers of each epoch are given. */
function keysOf({ model, noteKey }: World): readonly NoteKey[] {
  return model.epochs.map((epoch) => ({
    name: checkpointOrigin(TRUST_DOMAIN, epoch),
    type: "ed25519",
    publicKey: noteKey,
  }));
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0;
}
