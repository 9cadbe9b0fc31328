import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openCheckpointFile } from "../../src/adapters/checkpoint-file/checkpoint-file.ts";
import { openNoteSigner } from "../../src/adapters/signer-disk/note-signer.ts";
import { keepCheckpoints } from "../../src/authority/checkpoints.ts";
import { parseCheckpointText } from "../../src/domain/checkpoint.ts";
import { parseNoteKey } from "../../src/domain/signed-note.ts";
import type { UnixSeconds } from "../../src/domain/time.ts";
import { openNote } from "../../src/verify/note.ts";
import { checkpointsIn } from "../contract/checkpoints-in.ts";
import { virtualClock } from "../memory/virtual-clock.ts";

const HEAD = { epoch: "epoch_1", sequence: 42, rootHash: new Uint8Array(32).fill(0xab) };

let directory: string;
let elsewhere: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "stint-checkpoints-"));
  elsewhere = await mkdtemp(join(tmpdir(), "stint-elsewhere-"));
});
afterEach(() => Promise.all([directory, elsewhere].map((path) => rm(path, { recursive: true, force: true }))));

const copy = () => join(elsewhere, "copy");

test("what is kept is a note of the epoch's origin, signed by the key that verifiers are given", async () => {
  const checkpoints = await checkpointsIn(directory);
  await checkpoints.save(HEAD);
  const note = await readFile(join(directory, "checkpoint"), "utf8");
  expect(checkpoints.current()).toEqual({ note, size: 42 });
  const key = parseNoteKey(checkpoints.verifierKey("epoch_1")) ?? expect.unreachable();
  const opened = openNote(note, [key]);
  expect(opened).toMatchObject({ kind: "verified", signedBy: [{ key: { name: "example.org/stint/ledger/epoch_1" } }] });
  if (opened.kind === "refused") return expect.unreachable();
  expect(parseCheckpointText(opened.text)).toEqual({
    origin: "example.org/stint/ledger/epoch_1",
    size: 42,
    rootHash: HEAD.rootHash,
  });
});

test("each place is read: the ledger has to continue what either of them has", async () => {
  await (await checkpointsIn(directory, copy())).save(HEAD);
  expect(await (await checkpointsIn(directory, copy())).load()).toEqual([HEAD, HEAD]);
  await (await checkpointsIn(directory)).save({ ...HEAD, sequence: 43 });
  expect(await (await checkpointsIn(directory, copy())).load()).toEqual([{ ...HEAD, sequence: 43 }, HEAD]);
});

test("a directory put back whole, checkpoint included, is found by the copy in another place", async () => {
  await (await checkpointsIn(directory, copy())).save(HEAD);
  await cp(directory, `${elsewhere}/backup`, { recursive: true });
  await (await checkpointsIn(directory, copy())).save({ ...HEAD, sequence: 43 });
  await rm(directory, { recursive: true });
  await cp(`${elsewhere}/backup`, directory, { recursive: true });
  expect(await (await checkpointsIn(directory, copy())).load()).toContainEqual({ ...HEAD, sequence: 43 });
});

test.for([
  { what: "whose size was changed", tamper: (note: string) => note.replace("\n42\n", "\n41\n") },
  { what: "of another epoch", tamper: (note: string) => note.replaceAll("epoch_1", "epoch_2") },
  { what: "of another trust domain", tamper: (note: string) => note.replaceAll("example.org/", "example.com/") },
  { what: "without its signature", tamper: (note: string) => note.slice(0, note.indexOf("\n\n") + 2) },
  { what: "cut short", tamper: (note: string) => note.slice(0, 20) },
  { what: "that is empty", tamper: () => "" },
  { what: "in the unsigned form of earlier versions", tamper: () => `epoch_1\n42\n${"ab".repeat(32)}\n` },
])("a copy $what is refused rather than believed, or taken for none", async ({ tamper }) => {
  const checkpoints = await checkpointsIn(directory, copy());
  await checkpoints.save(HEAD);
  await writeFile(copy(), tamper(await readFile(copy(), "utf8")));
  await expect(checkpoints.load()).rejects.toMatchObject({ code: "LEDGER_UNAVAILABLE" });
});

test("the unsigned checkpoint of an earlier version is believed where only the daemon may write, and signed next", async () => {
  await writeFile(join(directory, "checkpoint"), `epoch_1\n42\n${"ab".repeat(32)}\n`);
  const checkpoints = await checkpointsIn(directory);
  expect(await checkpoints.load()).toEqual([HEAD]);
  await checkpoints.save(HEAD);
  expect(await readFile(join(directory, "checkpoint"), "utf8")).toMatch(/^example\.org\/stint\/ledger\/epoch_1\n42\n/);
});

test("a checkpoint of a key that is gone is refused: a new key signs no old ledger", async () => {
  await (await checkpointsIn(directory)).save(HEAD);
  await rm(join(directory, "checkpoint.key"));
  await expect((await checkpointsIn(directory)).load()).rejects.toMatchObject({ code: "LEDGER_UNAVAILABLE" });
});

test("a copy that can't be kept is told of, and the checkpoint is kept and shown all the same", async () => {
  const checkpoints = await checkpointsIn(directory, join(elsewhere, "gone", "copy"));
  await expect(checkpoints.save(HEAD)).rejects.toMatchObject({ message: "a checkpoint could not be kept" });
  expect(checkpoints.current()?.size).toBe(42);
});

test("a checkpoint that could not be kept in the data directory is shown to nobody", async () => {
  const checkpoints = await checkpointsIn(directory);
  await rm(directory, { recursive: true });
  await expect(checkpoints.save(HEAD)).rejects.toMatchObject({ code: "LEDGER_UNAVAILABLE" });
  expect(checkpoints.current()).toBeUndefined();
});

test("whoever needs a checkpoint of a size is given the first that is as large, or told that none comes", async () => {
  const clock = virtualClock(1 as UnixSeconds);
  const signer = await openNoteSigner(directory);
  const file = openCheckpointFile(join(directory, "checkpoint"));
  const checkpoints = keepCheckpoints({ signer, trustDomain: "example.org", file, clock });
  const waited = checkpoints.covering(42);
  const never = expect(checkpoints.covering(43)).rejects.toMatchObject({ code: "LEDGER_UNAVAILABLE" });
  await checkpoints.save({ ...HEAD, sequence: 41 });
  await checkpoints.save(HEAD);
  expect((await waited).size).toBe(42);
  expect((await checkpoints.covering(1)).size).toBe(42);
  clock.advance(5_000);
  await never;
  expect(clock.pending()).toBe(0);
});
