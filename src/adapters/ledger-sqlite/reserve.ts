import { randomFillSync } from "node:crypto";
import { closeSync, fsyncSync, ftruncateSync, openSync, statSync, truncateSync, writeSync } from "node:fs";

const BLOCK_BYTES = 512;
const CHUNK_BYTES = 64 * 1024;

/** Room on the disk that is kept for closing and revoking. */
export type Reserve = {
  isFilled(): boolean;
  /** Takes the room, by writing all of its bytes. Returns whether the room could be taken; on failure none is taken. */
  fill(): boolean;
  /** Gives the room back to the file system, for the ledger to use. */
  release(): void;
};

/** @param bytes - how much room is kept; with 0 nothing is kept, and the reserve is always filled. */
export function openReserve(path: string, bytes: number): Reserve {
  function isFilled(): boolean {
    if (bytes === 0) return true;
    try {
      const { size, blocks } = statSync(path);
      // A sparse file has the size and not the room.
      return size >= bytes && blocks * BLOCK_BYTES >= bytes;
    } catch {
      return false;
    }
  }

  return {
    isFilled,
    fill() {
      if (isFilled()) return true;
      let file: number | undefined;
      try {
        file = openSync(path, "w", 0o600);
        // Random bytes, so that no file system can store them in less room.
        const chunk = randomFillSync(new Uint8Array(CHUNK_BYTES));
        for (let written = 0; written < bytes; ) {
          written += writeSync(file, chunk, 0, Math.min(CHUNK_BYTES, bytes - written));
        }
        fsyncSync(file);
        return true;
      } catch {
        if (file !== undefined) ftruncateSync(file, 0);
        return false;
      } finally {
        if (file !== undefined) closeSync(file);
      }
    },
    release() {
      if (statSync(path, { throwIfNoEntry: false }) !== undefined) truncateSync(path, 0);
    },
  };
}
