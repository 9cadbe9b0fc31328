import type { MessageInitShape } from "@bufbuild/protobuf";
import type { LedgerBackupResponseSchema } from "../../gen/stint/v1/ledger_pb.js";
import type { LedgerBackups, LedgerCopy } from "../../ports/ledger-backup.ts";

type Message = MessageInitShape<typeof LedgerBackupResponseSchema>;

/** A copy as it is made and then read, no faster than the operator takes it. It is gone when this ends, however it ends. */
export async function* backupMessages(backups: LedgerBackups): AsyncGenerator<Message, void, void> {
  let permille = 0;
  let moved = Promise.withResolvers<undefined>();
  const copying = backups.copy((share) => {
    const next = Math.floor(share * 1_000);
    if (next === permille) return;
    permille = next;
    moved.resolve(undefined);
  });
  try {
    for (;;) {
      const copy: LedgerCopy | undefined = await Promise.race([copying, moved.promise]);
      if (copy === undefined) {
        moved = Promise.withResolvers();
        yield { message: { case: "permille", value: permille } };
        continue;
      }
      yield { message: { case: "copied", value: copiedMessageOf(copy) } };
      for await (const chunk of copy.read()) yield { message: { case: "chunk", value: chunk } };
      return;
    }
  } finally {
    const copy = await copying.catch(() => undefined);
    await copy?.remove();
  }
}

function copiedMessageOf({ head, bytes, sha256 }: LedgerCopy) {
  return {
    epoch: head.epoch,
    sequence: BigInt(head.sequence),
    rootHash: head.rootHash,
    size: BigInt(bytes),
    sha256: new Uint8Array(Buffer.from(sha256, "hex")),
  };
}
