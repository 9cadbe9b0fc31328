import { formatAddCheckpoint } from "../domain/add-checkpoint.ts";
import { checkpointOriginOf } from "../domain/checkpoint.ts";
import { BrokerError } from "../domain/errors.ts";
import type { SignedCheckpoint } from "../ports/checkpoint-store.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import type { TreeReads } from "../ports/tree-reads.ts";
import type { Witness } from "../ports/witness.ts";
import { openNote } from "../verify/note.ts";
import type { Checkpoints } from "./checkpoints.ts";

/** Witnesses serve many logs; a receipt that is to have their signatures waits about as long. */
const INTERVAL_MS = 10_000;

export type CosigningPorts = {
  readonly checkpoints: Pick<Checkpoints, "current" | "covering">;
  readonly tree: Pick<TreeReads, "consistency">;
  readonly witnesses: readonly Witness[];
  /** Whether a broker that shares the ledger asks them; absent: there is none. */
  readonly isElsewhere?: () => boolean;
  readonly clock: Pick<Clock, "schedule">;
  /** Told of each witness that did not sign. */
  readonly delayed: (witness: string, why: string) => void;
  /** Told of any other error. */
  readonly failed: (error: unknown) => void;
};

export type Cosigning = {
  /** The newest checkpoint that covers so many leaves: one with signatures of witnesses, where such a one does. */
  covering(size: number): Promise<SignedCheckpoint>;
  stop(): void;
};

/** Has witnesses sign the newest checkpoint, again and again. Nothing waits for them, and nothing is refused without them. */
export function keepCosigned(ports: CosigningPorts): Cosigning {
  const { checkpoints, tree, witnesses, clock, delayed, failed } = ports;
  /** What each witness signed last, by what it said itself. */
  const signedSizes = new Map<Witness, number>();
  let cosigned: SignedCheckpoint | undefined;
  let askedFor: string | undefined;
  let isStopped = false;
  let cancel: Cancel = () => undefined;
  if (witnesses.length > 0) next(0);

  function next(delayMs: number): void {
    if (!isStopped) cancel = clock.schedule(delayMs, () => void look());
  }

  async function look(): Promise<void> {
    const current = checkpoints.current();
    if (current !== undefined && current.note !== askedFor && ports.isElsewhere?.() !== true) {
      askedFor = current.note;
      await cosign(current).catch(failed);
    }
    next(INTERVAL_MS);
  }

  async function cosign(checkpoint: SignedCheckpoint): Promise<void> {
    const lines = await Promise.all(
      witnesses.map(async (witness) => {
        try {
          return await signedBy(witness, checkpoint);
        } catch (thrown) {
          if (!(thrown instanceof BrokerError)) throw thrown;
          // Asked again although nothing may have been recorded meanwhile.
          askedFor = undefined;
          delayed(witness.key.name, thrown.message);
          return "";
        }
      }),
    );
    if (lines.some((line) => line !== "")) cosigned = { ...checkpoint, note: checkpoint.note + lines.join("") };
  }

  /** The signatures of a witness, each of which holds. */
  async function signedBy(witness: Witness, { note, size }: SignedCheckpoint): Promise<string> {
    for (const isFirst of [true, false]) {
      const oldSize = signedSizes.get(witness) ?? 0;
      const hashes = oldSize === 0 ? [] : await tree.consistency(oldSize, size);
      const answer = await witness.addCheckpoint(formatAddCheckpoint({ oldSize, hashes, checkpoint: note }));
      if ("signatures" in answer) {
        const opened = openNote(note.slice(0, note.indexOf("\n\n") + 2) + answer.signatures, [witness.key]);
        if (opened.kind === "refused") throw unsigned(witness, opened.why);
        signedSizes.set(witness, size);
        return linesOf(answer.signatures, witness);
      }
      if (answer.signedSize > size)
        throw unsigned(witness, `has signed ${answer.signedSize} events, and there are ${size}`);
      if (!isFirst) throw unsigned(witness, "does not say what it has signed");
      signedSizes.set(witness, answer.signedSize);
    }
    return "";
  }

  return {
    async covering(size) {
      const current = await checkpoints.covering(size);
      const isOfEpoch =
        cosigned !== undefined && checkpointOriginOf(cosigned.note) === checkpointOriginOf(current.note);
      return cosigned !== undefined && isOfEpoch && cosigned.size >= size ? cosigned : current;
    },
    stop() {
      isStopped = true;
      cancel();
    },
  };
}

/** Its own signatures alone: what it says for others is for others to say. */
function linesOf(signatures: string, { key }: Witness): string {
  const own = signatures.split("\n").filter((line) => line.startsWith(`— ${key.name} `));
  return own.map((line) => `${line}\n`).join("");
}

function unsigned({ key }: Witness, why: string): BrokerError {
  return new BrokerError("NOT_SERVING", `the witness ${key.name} did not sign: ${why}`);
}
