import { expect, test } from "vitest";
import { checkSeen } from "../../src/audit/seen-checkpoint.ts";
import type { Head } from "../../src/ports/ledger.ts";

const root = (byte: number) => new Uint8Array(32).fill(byte);
const HEAD: Head = { epoch: "epoch_2", sequence: 9, rootHash: root(9) };

/** A ledger of nine events whose root at each is known by its size, and a note that this broker signed of `seen`. */
async function shown(seen: Head | undefined, note = "a note"): Promise<readonly string[]> {
  const told: string[] = [];
  const logPage = async (after: number) => {
    const sequence = Math.min(after, HEAD.sequence);
    return { events: [], newest: HEAD.sequence, schema: 1, head: { ...HEAD, sequence, rootHash: root(sequence) } };
  };
  await checkSeen(note, {
    checkpoints: { believed: () => seen },
    ledger: { head: () => HEAD },
    log: { logPage },
    rolledBack: (why) => void told.push(why),
  }).catch((thrown: { code: string }) => told.push(thrown.code));
  return told;
}

test.for([
  { what: "of the newest event", seen: HEAD },
  { what: "of an earlier event", seen: { ...HEAD, sequence: 4, rootHash: root(4) } },
  {
    what: "of an epoch before this one, whatever it says",
    seen: { epoch: "epoch_1", sequence: 99, rootHash: root(1) },
  },
  { what: "that this broker has not signed", seen: undefined },
])("a checkpoint $what changes nothing", async ({ seen }) => {
  expect(await shown(seen)).toEqual([]);
});

test("without a checkpoint nobody is asked", async () => {
  expect(await shown({ ...HEAD, sequence: 99 }, "")).toEqual([]);
});

test.for([
  {
    what: "of more events than there are",
    seen: { ...HEAD, sequence: 12 },
    why: "of event 12, and the ledger ends at 9",
  },
  {
    what: "of other events",
    seen: { ...HEAD, sequence: 4, rootHash: root(7) },
    why: "of event 4, and the ledger is another there",
  },
  { what: "of a later epoch", seen: { ...HEAD, epoch: "epoch_3" }, why: "of event 9, and the ledger is another there" },
])("a checkpoint $what shows that the ledger went back", async ({ seen, why }) => {
  expect(await shown(seen)).toEqual([expect.stringContaining(why), "NOT_SERVING"]);
});
