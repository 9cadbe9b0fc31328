import { open, readFile, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { BrokerError } from "../../domain/errors.ts";
import type { CheckpointStore } from "../../ports/checkpoint-store.ts";

const OWNER_ONLY = 0o600;
const ROOT_HASH = /^[0-9a-f]{64}$/;

/** Three lines: epoch, sequence, root hash in hexadecimal. */
type Saved = { readonly epoch: string; readonly sequence: number; readonly rootHash: Uint8Array };

/**
 * Keeps the head in a small file, mode 0600, that is replaced whole: after a crash the file is the old one or the new
 * one.
 *
 * `load` throws BrokerError LEDGER_UNAVAILABLE for a file that is not what `save` wrote.
 */
export function openCheckpointFile(path: string): CheckpointStore {
  return {
    async load() {
      let text: string;
      try {
        text = await readFile(path, "utf8");
      } catch (thrown) {
        if (thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT") return undefined;
        throw unreadable(path, thrown);
      }
      return parse(text) ?? Promise.reject(unreadable(path, undefined));
    },
    async save({ epoch, sequence, rootHash }) {
      const text = `${epoch}\n${sequence}\n${Buffer.from(rootHash).toString("hex")}\n`;
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

function parse(text: string): Saved | undefined {
  const [epoch, sequence, rootHash, end, ...rest] = text.split("\n");
  if (epoch === undefined || epoch === "" || sequence === undefined || !/^[1-9][0-9]*$/.test(sequence))
    return undefined;
  if (rootHash === undefined || !ROOT_HASH.test(rootHash) || end !== "" || rest.length > 0) return undefined;
  return { epoch, sequence: Number(sequence), rootHash: new Uint8Array(Buffer.from(rootHash, "hex")) };
}

function unreadable(path: string, cause: unknown): BrokerError {
  const message = "the checkpoint beside the ledger can't be read";
  return new BrokerError("LEDGER_UNAVAILABLE", message, { detail: path, cause });
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
