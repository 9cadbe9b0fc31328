import { checkpointOrigin, checkpointOriginOf, ledgerOfOrigin, parseCheckpointText } from "../domain/checkpoint.ts";
import { BrokerError } from "../domain/errors.ts";
import { formatNoteKey, type NoteKey } from "../domain/signed-note.ts";
import type { CheckpointFile, CheckpointStore, KeptHead, SignedCheckpoint } from "../ports/checkpoint-store.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import type { NoteSigner } from "../ports/note-signer.ts";
import { openNote } from "../verify/note.ts";

/** Three lines: epoch, sequence, root hash. */
const UNSIGNED = /^(?<epoch>[^\n]+)\n(?<sequence>[1-9][0-9]{0,15})\n(?<rootHash>[0-9a-f]{64})\n$/;
/** Checkpoints are a second apart at most; a disk may be slow. */
const COVERING_MS_MAX = 5_000;

export type CheckpointsPorts = {
  readonly signer: NoteSigner;
  readonly trustDomain: string;
  /** In the data directory. */
  readonly file: CheckpointFile;
  /** In another place, where there is one. */
  readonly copy?: CheckpointFile;
  readonly clock: Pick<Clock, "schedule">;
};

/** The signed checkpoints of a ledger. */
export type Checkpoints = CheckpointStore & {
  /** The newest that is kept. `undefined` while none is signed: the ledger is not open yet, or is doubted. */
  current(): SignedCheckpoint | undefined;
  /**
   * The newest, once it is of at least so many leaves; of a ledger that goes on that is within a second.
   *
   * @throws BrokerError LEDGER_UNAVAILABLE where none comes
   */
  covering(size: number): Promise<SignedCheckpoint>;
  /** The head that a note is of which this broker has signed; `undefined` for anything else. */
  believed(note: string): KeptHead | undefined;
  /** The key in the form in which verifiers are given it, under the origin of an epoch. */
  verifierKey(epoch: string): string;
  /** The signed note of a text that is no checkpoint, under the name of the checkpoint that proves what it says. */
  statement(checkpoint: string, text: string): string;
};

/** Signs each head that the ledger has kept, and believes no other than a signed one. */
export function keepCheckpoints({ signer, trustDomain, file, copy, clock }: CheckpointsPorts): Checkpoints {
  let current: SignedCheckpoint | undefined;
  const waiting = new Set<() => void>();

  function keyOf(name: string): NoteKey {
    return { name, type: "ed25519", publicKey: signer.publicKey };
  }

  /** The head that a text is about, checked. */
  function headIn(text: string, place: string): KeptHead {
    const checkpoint = parseCheckpointText(text.slice(0, text.indexOf("\n\n") + 1));
    const ledger = checkpoint === undefined ? undefined : ledgerOfOrigin(checkpoint.origin);
    if (checkpoint === undefined || ledger?.trustDomain !== trustDomain)
      throw doubted(place, "it is none of this ledger");
    const opened = openNote(text, [keyOf(checkpoint.origin)]);
    if (opened.kind === "refused") throw doubted(place, opened.why);
    return { epoch: ledger.epoch, sequence: checkpoint.size, rootHash: checkpoint.rootHash };
  }

  return {
    async load() {
      const [own, other] = await Promise.all([file.load(), copy?.load()]);
      // Broker versions without a key of checkpoints kept it unsigned, and in the data directory alone.
      const kept = own === undefined ? undefined : (unsignedHead(own) ?? headIn(own, "the checkpoint"));
      return [kept, other === undefined ? undefined : headIn(other, "the copy of the checkpoint")].filter(
        (head) => head !== undefined,
      );
    },
    async save({ epoch, sequence, rootHash }) {
      const note = signer.checkpoint({ origin: checkpointOrigin(trustDomain, epoch), size: sequence, rootHash });
      // Kept before it is shown: what nobody has seen can be forgotten.
      const kept = await Promise.allSettled([file.save(note), copy?.save(note)]);
      const failed = kept.find((one) => one.status === "rejected");
      if (kept[0].status === "fulfilled") {
        current = { note, size: sequence };
        for (const look of waiting) look();
      }
      if (failed !== undefined) throw unkept(failed.reason);
    },
    current: () => current,
    covering(size) {
      return new Promise((resolve, reject) => {
        let cancel: Cancel | undefined;
        const look = (): boolean => {
          if (current === undefined || current.size < size) return false;
          waiting.delete(look);
          cancel?.();
          resolve(current);
          return true;
        };
        if (look()) return;
        waiting.add(look);
        cancel = clock.schedule(COVERING_MS_MAX, () => {
          waiting.delete(look);
          reject(new BrokerError("LEDGER_UNAVAILABLE", "no checkpoint is signed at present"));
        });
      });
    },
    believed(note) {
      try {
        return headIn(note, "the note");
      } catch (thrown) {
        if (thrown instanceof BrokerError) return undefined;
        throw thrown;
      }
    },
    statement: (checkpoint, text) => signer.statement(checkpointOriginOf(checkpoint), text),
    verifierKey: (epoch) => formatNoteKey(keyOf(checkpointOrigin(trustDomain, epoch))),
  };
}

function unsignedHead(text: string): KeptHead | undefined {
  const { epoch, sequence, rootHash } = UNSIGNED.exec(text)?.groups ?? {};
  if (epoch === undefined || sequence === undefined || rootHash === undefined) return undefined;
  return { epoch, sequence: Number(sequence), rootHash: new Uint8Array(Buffer.from(rootHash, "hex")) };
}

function doubted(place: string, why: string): BrokerError {
  return new BrokerError("LEDGER_UNAVAILABLE", `${place} can't be believed: ${why}`);
}

function unkept(cause: unknown): BrokerError {
  return new BrokerError("LEDGER_UNAVAILABLE", "a checkpoint could not be kept", { detail: String(cause), cause });
}
