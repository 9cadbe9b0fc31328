import { expect, onTestFinished, test } from "vitest";
import { prove } from "../../src/audit/prove.ts";
import { keepCheckpoints } from "../../src/authority/checkpoints.ts";
import { closureReceipt } from "../../src/close/closure-receipt.ts";
import { createReceiptBook } from "../../src/close/receipts.ts";
import { leewayBy } from "../../src/domain/closure.ts";
import { parseNoteKey } from "../../src/domain/signed-note.ts";
import { createEntryIndex } from "../../src/registry/entry-index.ts";
import { checkClosureReceipt } from "../../src/verify/closure-receipt.ts";
import { OPERATOR, ports, present, worldOf } from "../contract/ledger-world.ts";
import { openMemoryLedger } from "../memory/memory-ledger.ts";
import { memoryNoteSigner } from "../memory/memory-note-signer.ts";

async function scene() {
  const given = ports();
  const world = worldOf(await openMemoryLedger(given), given);
  const { store, ledger, clock } = world;
  onTestFinished(() => store.close());
  const file = { load: async () => undefined, save: async () => undefined };
  const checkpoints = keepCheckpoints({ signer: await memoryNoteSigner(), trustDomain: "example.org", file, clock });
  const receiptPorts = {
    ...{ ledger, history: store.history, clock, leewayOf: leewayBy(new Map()) },
    receipts: createReceiptBook({ entries: createEntryIndex(), clock }),
    exchanges: { onChange: () => () => undefined },
    proveEvent: (sequence: number) => prove({ sequence }, { tree: store.tree, checkpoints }),
    signStatement: checkpoints.statement,
  };
  const step = await world.open(await world.agent());
  await world.issue(step);
  await world.close(step);
  return {
    world,
    checkpoints,
    receipt: async () => closureReceipt(await world.step(step.stepId), receiptPorts),
    check(text: string, epoch: string) {
      const log = present(parseNoteKey(checkpoints.verifierKey(epoch)));
      return checkClosureReceipt(text, { log, witnesses: [] });
    },
  };
}

test("one key checks a receipt and its proof, though another epoch began since the proof's checkpoint", async () => {
  const { world, checkpoints, receipt, check } = await scene();
  const { ledger, clock } = world;
  const before = ledger.head();
  await checkpoints.save(before);
  const by = OPERATOR;
  await ledger.perform({ act: "start-epoch", epoch: "epoch_after", reason: "restored", by, now: clock.now() });
  expect(check(await receipt(), before.epoch)).toMatchObject({ kind: "closure" });
  await checkpoints.save(ledger.head());
  expect(check(await receipt(), "epoch_after")).toMatchObject({ kind: "closure" });
});
