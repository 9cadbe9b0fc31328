import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { openCheckpointFile } from "../../src/adapters/checkpoint-file/checkpoint-file.ts";
import { openDataDirectory } from "../../src/adapters/data-directory/open-data-directory.ts";
import { openSqliteLedger } from "../../src/adapters/ledger-sqlite/ledger-sqlite.ts";
import { openNoteSigner } from "../../src/adapters/signer-disk/note-signer.ts";
import { systemClock } from "../../src/adapters/system/system-clock.ts";
import { systemRandomness } from "../../src/adapters/system/system-randomness.ts";
import { keepCheckpoints } from "../../src/authority/checkpoints.ts";
import { parseTrustDomain } from "../../src/domain/spiffe-id.ts";
import { worldOf } from "../../test/contract/ledger-world.ts";
import { startBroker } from "./broker-process.ts";
import { ROOT } from "./checkout.ts";
import { fillLedger } from "./filled-ledger.ts";
import { TRUST_DOMAIN } from "./workload.ts";

const MIB = 1_048_576;

/**
 * The data directory of a daemon whose ledger has at least so many events: steps with their credentials, closed again, recorded by the
 * ledger's own acts, many in each commit. It stays under `build` for the next time; one that was left halfway is filled further.
 */
export async function keptLedger(events: number): Promise<string> {
  const path = join(ROOT, "build/bench/ledgers", `filled-${events}`);
  if (!existsSync(path)) {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    // Its keys, its entries and all else that a first start makes.
    await (await startBroker({ dataDirectory: path }))[Symbol.asyncDispose]();
  }
  const directory = await openDataDirectory(path);
  const [clock, randomness] = [systemClock(), systemRandomness()];
  const store = await openSqliteLedger({
    directory: directory.ledger,
    checkpoints: keepCheckpoints({
      signer: await openNoteSigner(directory.path),
      trustDomain: parseTrustDomain(TRUST_DOMAIN),
      file: openCheckpointFile(directory.checkpoint),
      clock,
    }),
    clock,
    randomness,
    reserveBytes: MIB,
    diskFreeBytesMin: MIB,
    failed(error) {
      throw error;
    },
  });
  try {
    if (store.ledger.head().sequence >= events) return path;
    const world = worldOf(store, { clock, randomness });
    const agent = await world.agent();
    await fillLedger(world, () => agent).fill(events);
  } finally {
    await store.close();
  }
  return path;
}
