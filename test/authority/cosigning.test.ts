import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { afterEach, beforeEach, expect, test } from "vitest";
import { httpWitness } from "../../src/adapters/witness-http/witness-http.ts";
import { prove } from "../../src/audit/prove.ts";
import { keepCosigned } from "../../src/authority/cosigning.ts";
import { parseNoteKey } from "../../src/domain/signed-note.ts";
import { checkReceipt } from "../../src/verify/ledger-proofs.ts";
import { openIn } from "../adapters/ledger-sqlite/ledger-directory.ts";
import { checkpointsIn } from "../contract/checkpoints-in.ts";
import { ports, worldOf } from "../contract/ledger-world.ts";
import { type StrictWitness, startWitness } from "../samples/strict-witness.ts";

let directory: string;
let witness: StrictWitness;
beforeEach(async () => {
  directory = await mkdtemp(`${tmpdir()}/stint-cosigning-`);
  witness = await startWitness();
});
afterEach(async () => {
  await witness.close();
  await rm(directory, { recursive: true });
});

/** A ledger with two checkpoints to come, a witness beside it, and what it takes to prove. */
async function witnessed() {
  const given = ports();
  const checkpoints = await checkpointsIn(directory);
  const store = await openIn(directory, { given, checkpoints });
  const world = worldOf(store, given);
  const delays: string[] = [];
  const start = () =>
    keepCosigned({
      checkpoints,
      tree: store.tree,
      witnesses: [httpWitness(witness)],
      clock: given.clock,
      delayed: (_name, why) => delays.push(why),
      failed: (error) => expect.unreachable(String(error)),
    });
  const log = parseNoteKey(checkpoints.verifierKey(store.ledger.head().epoch)) ?? expect.unreachable();
  /** Records something, and has it kept. */
  const grow = async (): Promise<number> => {
    await world.agent();
    given.clock.advance(1_000);
    const { sequence } = store.ledger.head();
    await checkpoints.covering(sequence);
    return sequence;
  };
  return { given, store, checkpoints, delays, start, log, grow };
}

test("a witness is asked for its signature, from where it is, and receipts have it once it covers them", async () => {
  const { given, store, start, log, grow, delays } = await witnessed();
  witness.know(log);
  const first = await grow();
  const cosigning = start();
  given.clock.advance(0);
  await expect.poll(() => witness.answers).toEqual([200]);
  const second = await grow();
  given.clock.advance(10_000);
  await expect.poll(() => witness.answers).toEqual([200, 200]);

  const proving = { tree: store.tree, checkpoints: cosigning };
  const keys = { log, witnesses: [witness.key] };
  await expect
    .poll(async () => checkReceipt((await prove({ sequence: second }, proving)).proof, keys).kind)
    .toBe("receipt");
  const checked = checkReceipt((await prove({ sequence: first }, proving)).proof, keys);
  expect(checked).toMatchObject({ cosignedBy: [{ key: { name: "witness.example/w1" }, at: expect.any(Number) }] });
  // Of what came since there is a receipt without it, at once; whoever wants the witness refuses that.
  const third = await grow();
  const { proof } = await prove({ sequence: third }, proving);
  expect(checkReceipt(proof, { log, witnesses: [] }).kind).toBe("receipt");
  expect(checkReceipt(proof, keys)).toEqual({ kind: "refused", why: "witness.example/w1 has not signed it" });
  cosigning.stop();

  // After a restart nobody knows what the witness signed last; it says so itself.
  const again = start();
  given.clock.advance(0);
  await expect.poll(() => witness.answers).toEqual([200, 200, 409, 200]);
  again.stop();
  expect(delays).toEqual([]);
  expect(given.clock.pending()).toBe(0);
  await store.close();
});

test("a witness that knows another log, or none, is told of and asked again; nothing waits for it", async () => {
  const { given, store, start, log, grow, delays } = await witnessed();
  const sequence = await grow();
  const cosigning = start();
  given.clock.advance(0);
  await expect.poll(() => delays).toEqual(["the witness witness.example/w1 answered 404"]);
  expect((await cosigning.covering(sequence)).size).toBe(sequence);
  witness.know(log);
  await expect.poll(() => given.clock.pending()).toBe(1);
  given.clock.advance(10_000);
  await expect.poll(() => witness.answers).toEqual([404, 200]);
  cosigning.stop();
  await store.close();
});
