import { chmod, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openNoteSigner } from "../../../src/adapters/signer-disk/note-signer.ts";
import { checkpointText } from "../../../src/domain/checkpoint.ts";
import { openNote } from "../../../src/verify/note.ts";

const CHECKPOINT = { origin: "example.org/stint/ledger/epoch_1", size: 1, rootHash: new Uint8Array(32) };

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "stint-note-"));
});
afterEach(() => rm(directory, { recursive: true }));

const keyOf = (name: string, publicKey: Uint8Array) => ({ name, type: "ed25519", publicKey }) as const;

test("the key is made once, for its owner alone, and signs the same from then on", async () => {
  const first = await openNoteSigner(directory);
  const second = await openNoteSigner(directory);
  expect(second.publicKey).toEqual(first.publicKey);
  expect(second.checkpoint(CHECKPOINT)).toBe(first.checkpoint(CHECKPOINT));
  expect(openNote(first.checkpoint(CHECKPOINT), [keyOf(CHECKPOINT.origin, first.publicKey)]).kind).toBe("verified");
  expect((await stat(join(directory, "checkpoint.key"))).mode & 0o777).toBe(0o600);
});

test("what reads as a checkpoint is signed as nothing else, under no name", async () => {
  const signer = await openNoteSigner(directory);
  for (const text of [checkpointText(CHECKPOINT), `${checkpointText({ ...CHECKPOINT, origin: "another" })}more\n`]) {
    expect(() => signer.statement("another", text)).toThrow(expect.objectContaining({ code: "AUTHORITY_UNAVAILABLE" }));
  }
  expect(() => signer.statement("name", "a line that does not end")).toThrow();
  const note = signer.statement("name", "another text\n");
  expect(openNote(note, [keyOf("name", signer.publicKey)])).toMatchObject({ kind: "verified", text: "another text\n" });
});

test("a key that others could have read, or that is none, is refused", async () => {
  const path = join(directory, "checkpoint.key");
  await openNoteSigner(directory);
  await chmod(path, 0o640);
  await expect(openNoteSigner(directory)).rejects.toThrow("has mode 0640");
  await writeFile(path, "short");
  await chmod(path, 0o600);
  await expect(openNoteSigner(directory)).rejects.toThrow("expected 32 bytes");
});
