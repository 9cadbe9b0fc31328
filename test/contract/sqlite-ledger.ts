import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openSqliteLedger, type SqliteLedgerOptions } from "../../src/adapters/ledger-sqlite/ledger-sqlite.ts";
import { signElsewhere } from "../../src/adapters/signer-disk/keys-elsewhere.ts";
import { openDiskSigner } from "../../src/adapters/signer-disk/signer-disk.ts";
import { TRUST_DOMAIN } from "../samples/credentials.ts";
import { checkpointsIn } from "./checkpoints-in.ts";
import type { SigningFixture } from "./ledger-signing.ts";
import { ports, worldOf } from "./ledger-world.ts";
import { SIGNED_FILE } from "./signed-file.ts";

/** A ledger on files in a directory of its own, which goes with it. What fails in the background ends the test. */
export async function openSqlite(
  ownOf: (directory: string) => Pick<Partial<SqliteLedgerOptions>, "signing" | "failed" | "shared"> = () => ({}),
) {
  const directory = await mkdtemp(join(tmpdir(), "stint-ledger-"));
  const given = ports();
  const failures: unknown[] = [];
  const store = await openSqliteLedger({
    directory,
    checkpoints: await checkpointsIn(directory),
    ...given,
    reserveBytes: 64 * 1024,
    diskFreeBytesMin: 0,
    failed: (error) => failures.push(error),
    ...ownOf(directory),
  });
  return {
    directory,
    given,
    world: worldOf(store, given),
    async close() {
      await store.close();
      await rm(directory, { recursive: true });
      if (failures.length > 0) throw new AggregateError(failures, "failed in the background");
    },
  };
}

/** The same, which signs what it recorded with the keys of a disk signer, and looks whether that is committed. */
export async function openSigningSqlite(
  failed?: (error: unknown) => void,
  shared?: SqliteLedgerOptions["shared"],
): Promise<SigningFixture> {
  const elsewhere = signElsewhere();
  // The thread is told nothing but the module.
  const moduleFor = (directory: string) => {
    const module = new URL("./watched-commit-signer.ts", import.meta.url);
    module.searchParams.set("directory", directory);
    return module;
  };
  const { directory, given, world, close } = await openSqlite((where) => ({
    signing: { ...elsewhere.there, module: moduleFor(where) },
    ...(failed === undefined ? {} : { failed }),
    ...(shared === undefined ? {} : { shared }),
  }));
  const { randomness } = given;
  const keys = { directory: join(directory, "keys"), elsewhere: elsewhere.keys };
  const signedFile = join(directory, SIGNED_FILE);
  return {
    world,
    signer: await openDiskSigner({ ...keys, trustDomain: TRUST_DOMAIN, randomness }),
    signed: () => (existsSync(signedFile) ? readFileSync(signedFile, "utf8").split("\n") : []),
    async close() {
      elsewhere.close();
      await close();
    },
  };
}
