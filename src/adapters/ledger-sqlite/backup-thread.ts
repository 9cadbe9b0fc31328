import { createReadStream, statfsSync } from "node:fs";
import { extname, join } from "node:path";
import { BrokerError } from "../../domain/errors.ts";
import type { UnixMicros } from "../../domain/time.ts";
import { startThread } from "../../package/start.ts";
import type { Head } from "../../ports/ledger.ts";
import type { LedgerBackups } from "../../ports/ledger-backup.ts";
import { type CopiedLedger, removeCopy } from "./backup.ts";
import { DATABASE_FILE } from "./connection.ts";
import { endable, type Loaded } from "./end-thread.ts";
import { databaseBytes } from "./ledger-disk.ts";
import { decodeError, decodeHead, encodeHead, type WireError, type WireHead } from "./thread-messages.ts";

export type BackupData = {
  readonly from: string;
  readonly to: string;
  readonly seen: WireHead;
  readonly now: UnixMicros;
};

export type FromBackup =
  | Loaded
  | { readonly kind: "progress"; readonly share: number }
  | { readonly kind: "copied"; readonly copied: Omit<CopiedLedger, "head"> & { readonly head: WireHead } }
  | { readonly kind: "failed"; readonly error: WireError };

/** The worker's file is TypeScript in a checkout and JavaScript in the package, as this file is. */
const ENTRY = new URL(`./backup-worker${extname(import.meta.url)}`, import.meta.url);

const COPY_FILE = "ledger.backup";
const CHUNK_BYTES = 256 * 1024;

/** Copies are made by a thread of their own, which ends with the copy: no other read waits for it. */
export function createBackups(options: {
  readonly directory: string;
  /** That much is left free whatever is copied. */
  readonly diskFreeBytesMin: number;
  readonly head: () => Head;
  readonly now: () => UnixMicros;
}): LedgerBackups & { close(): Promise<void> } {
  const { directory, diskFreeBytesMin, head, now } = options;
  const [from, to] = [join(directory, DATABASE_FILE), join(directory, COPY_FILE)];
  let isBusy = false;
  let endWorker: (() => Promise<void>) | undefined;
  // What a process left that was killed while it copied.
  removeCopy(to);

  function checkRoom(): void {
    const needed = databaseBytes(from) + diskFreeBytesMin;
    const { bavail, bsize } = statfsSync(directory);
    if (bavail * bsize >= needed) return;
    const mib = Math.ceil(needed / 1024 / 1024);
    throw new BrokerError("LEDGER_UNAVAILABLE", `a backup takes about ${mib} MiB of free space on the ledger's disk`);
  }

  function made(progress: (share: number) => void): Promise<CopiedLedger> {
    const workerData: BackupData = { from, to, seen: encodeHead(head()), now: now() };
    const started = startThread(ENTRY, { name: "ledger backup", workerData });
    endWorker = endable(started);
    return new Promise<CopiedLedger>((resolve, reject) => {
      started.on("message", (message: FromBackup) => {
        if (message.kind === "progress") progress(message.share);
        else if (message.kind === "failed") reject(decodeError(message.error));
        else if (message.kind === "copied") resolve({ ...message.copied, head: decodeHead(message.copied.head) });
      });
      started.on("error", reject);
      started.on("exit", () => reject(new BrokerError("NOT_SERVING", "the ledger's backup was given up")));
    });
  }

  async function remove(): Promise<void> {
    removeCopy(to);
    isBusy = false;
  }

  return {
    async copy(progress) {
      if (isBusy) throw new BrokerError("LIMIT_EXCEEDED", "another backup is being made");
      isBusy = true;
      try {
        checkRoom();
        const copied = await made(progress);
        return { ...copied, read: () => createReadStream(to, { highWaterMark: CHUNK_BYTES }), remove };
      } catch (thrown) {
        await remove();
        throw thrown;
      }
    },
    async close() {
      await endWorker?.();
      removeCopy(to);
    },
  };
}
