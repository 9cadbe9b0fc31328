import { createHeadKeeper, type HeadKeeper } from "../../src/adapters/ledger-sqlite/head-keeper.ts";
import { type Checkpoints, keepCheckpoints } from "../../src/authority/checkpoints.ts";
import { unsigned } from "../../src/domain/signable.ts";
import type { CheckpointFile, KeptHead } from "../../src/ports/checkpoint-store.ts";
import type { Clock } from "../../src/ports/clock.ts";
import type { NoteSigner } from "../../src/ports/note-signer.ts";
import { TRUST_DOMAIN } from "./broker.ts";
import { type Faults, KeyFault } from "./unsteady.ts";

type Place = "own" | "copy";

/** A checkpoint that came into its place, and how far the ledger had come then. */
export type KeptCheckpoint = { readonly place: Place; readonly note: string; readonly head: number };

/** Where checkpoints are kept, which outlives a broker. */
export type CheckpointPlaces = {
  /** All that ever came into a place, in this order. */
  readonly kept: KeptCheckpoint[];
  /** What brokers found there at their start. */
  readonly found: KeptHead[];
  /** As a broker begins to keep them. @param pass - resolves when what was asked of a disk is done, and never for a broker that was killed. */
  open(pass: () => Promise<void>): Promise<{ readonly checkpoints: Checkpoints; readonly keeper: HeadKeeper }>;
};

export function createCheckpointPlaces(ports: {
  readonly signer: NoteSigner;
  readonly faults: Faults;
  readonly clock: Clock;
  readonly head: () => number;
  readonly failed: (error: unknown) => void;
}): CheckpointPlaces {
  const { signer, faults, clock, head, failed } = ports;
  const texts = new Map<Place, string>();
  const kept: KeptCheckpoint[] = [];
  const found: KeptHead[] = [];

  const fileOf = (place: Place, pass: () => Promise<void>): CheckpointFile => ({
    load: async () => texts.get(place),
    async save(note) {
      await pass();
      if (faults.checkpoints === place) throw new Error("the place is gone");
      texts.set(place, note);
      kept.push({ place, note, head: head() });
      await pass();
    },
  });
  const faulty: NoteSigner = {
    ...signer,
    checkpoint(checkpoint) {
      if (faults.checkpoints === "signer") throw unsigned("the key of checkpoints is gone", new KeyFault());
      return signer.checkpoint(checkpoint);
    },
  };

  return {
    kept,
    found,
    async open(pass) {
      const [file, copy] = [fileOf("own", pass), fileOf("copy", pass)];
      const checkpoints = keepCheckpoints({ signer: faulty, trustDomain: TRUST_DOMAIN, file, copy, clock });
      found.push(...(await checkpoints.load()));
      return { checkpoints, keeper: createHeadKeeper({ checkpoints, clock, failed }, true) };
    },
  };
}
