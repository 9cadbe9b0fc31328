import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openCheckpointFile } from "../../../src/adapters/checkpoint-file/checkpoint-file.ts";

const HEAD = { epoch: "epoch_1", sequence: 42, rootHash: new Uint8Array(32).fill(0xab) };

let directory: string;
let path: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "stint-checkpoint-"));
  path = join(directory, "checkpoint");
});
afterEach(() => rm(directory, { recursive: true }));

test("what was saved last is loaded, and before that nothing", async () => {
  const store = openCheckpointFile(path);
  expect(await store.load()).toBeUndefined();
  await store.save({ ...HEAD, sequence: 1 });
  await store.save(HEAD);
  expect(await store.load()).toEqual(HEAD);
  expect(await openCheckpointFile(path).load()).toEqual(HEAD);
});

test("it is one file, for its owner alone, in a form that people can read", async () => {
  await openCheckpointFile(path).save(HEAD);
  expect(await readdir(directory)).toEqual(["checkpoint"]);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect(await readFile(path, "utf8")).toBe(`epoch_1\n42\n${"ab".repeat(32)}\n`);
});

test("what a crash left half-written is not looked at, and replaced", async () => {
  const store = openCheckpointFile(path);
  await store.save(HEAD);
  await writeFile(`${path}.new`, "epoch_1\n43\nab");
  expect(await store.load()).toEqual(HEAD);
  await store.save({ ...HEAD, sequence: 43 });
  expect(await store.load()).toEqual({ ...HEAD, sequence: 43 });
  expect(await readdir(directory)).toEqual(["checkpoint"]);
});

test.for([
  { name: "empty", text: "" },
  { name: "cut short", text: `epoch_1\n42\n${"ab".repeat(31)}\n` },
  { name: "without its last line feed", text: `epoch_1\n42\n${"ab".repeat(32)}` },
  { name: "longer", text: `epoch_1\n42\n${"ab".repeat(32)}\n\n` },
  { name: "of no epoch", text: `\n42\n${"ab".repeat(32)}\n` },
  { name: "of no sequence", text: `epoch_1\n0\n${"ab".repeat(32)}\n` },
  { name: "of a sequence with a sign", text: `epoch_1\n-1\n${"ab".repeat(32)}\n` },
])("a checkpoint that is $name is refused rather than taken for none", async ({ text }) => {
  await writeFile(path, text);
  await expect(openCheckpointFile(path).load()).rejects.toMatchObject({ code: "LEDGER_UNAVAILABLE", detail: path });
});

test("a checkpoint that can't be read is refused rather than taken for none", async () => {
  await expect(openCheckpointFile(directory).load()).rejects.toMatchObject({ code: "LEDGER_UNAVAILABLE" });
});
