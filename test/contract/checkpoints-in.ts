import { join } from "node:path";
import { openCheckpointFile } from "../../src/adapters/checkpoint-file/checkpoint-file.ts";
import { openNoteSigner } from "../../src/adapters/signer-disk/note-signer.ts";
import { systemClock } from "../../src/adapters/system/system-clock.ts";
import { type Checkpoints, keepCheckpoints } from "../../src/authority/checkpoints.ts";
import { TRUST_DOMAIN } from "../samples/credentials.ts";

/** The signed checkpoints of a ledger, with their key, in a directory; `copy`: a file for them once more. */
export async function checkpointsIn(directory: string, copy?: string): Promise<Checkpoints> {
  return keepCheckpoints({
    signer: await openNoteSigner(directory),
    trustDomain: TRUST_DOMAIN,
    file: openCheckpointFile(join(directory, "checkpoint")),
    ...(copy === undefined ? {} : { copy: openCheckpointFile(copy) }),
    clock: systemClock(),
  });
}
