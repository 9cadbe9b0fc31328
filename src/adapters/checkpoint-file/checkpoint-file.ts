import { open, readFile, rename, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { BrokerError } from "../../domain/errors.ts";
import type { CheckpointFile } from "../../ports/checkpoint-store.ts";

const OWNER_ONLY = 0o600;

/**
 * Keeps a checkpoint in a small file, mode 0600, that is replaced whole: after a crash the file is the old one or the new
 * one.
 *
 * @param path - absolute; its directory has to be there.
 */
export function openCheckpointFile(path: string): CheckpointFile {
  return {
    async load() {
      try {
        return await readFile(path, "utf8");
      } catch (thrown) {
        if (!(thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT")) throw unreadable(path, thrown);
      }
      // A disk that is not mounted must not pass for one on which nothing was kept.
      if (!(await isDirectory(dirname(path)))) throw misplaced(path);
      return undefined;
    },
    async save(text) {
      const temporary = `${path}.new`;
      const file = await open(temporary, "w", OWNER_ONLY);
      try {
        await file.writeFile(text);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(temporary, path);
      await syncDirectory(dirname(path));
    },
  };
}

function unreadable(path: string, cause: unknown): BrokerError {
  const message = "the checkpoint beside the ledger can't be read";
  return new BrokerError("LEDGER_UNAVAILABLE", message, { detail: path, cause });
}

function misplaced(path: string): BrokerError {
  const message = "the place of the checkpoint is missing";
  return new BrokerError("NOT_SERVING", message, { detail: `${dirname(path)}: no directory` });
}

function isDirectory(path: string): Promise<boolean> {
  return stat(path).then(
    (stats) => stats.isDirectory(),
    () => false,
  );
}

/** The new name is there after a power cut only once its directory has been written too. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
