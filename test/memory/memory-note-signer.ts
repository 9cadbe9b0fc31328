import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openNoteSigner } from "../../src/adapters/signer-disk/note-signer.ts";
import type { NoteSigner } from "../../src/ports/note-signer.ts";

/** The key of checkpoints of this process alone: nothing of it stays on the disk. */
export async function memoryNoteSigner(): Promise<NoteSigner> {
  const directory = await mkdtemp(join(tmpdir(), "stint-note-key-"));
  try {
    return await openNoteSigner(directory);
  } finally {
    await rm(directory, { recursive: true });
  }
}
