import { appendFileSync } from "node:fs";
import { join } from "node:path";
import type { MessagePort } from "node:worker_threads";
import { DATABASE_FILE, openReader } from "../../src/adapters/ledger-sqlite/connection.ts";
import { loadDriver } from "../../src/adapters/ledger-sqlite/driver.ts";
import { openCommitSigner as open } from "../../src/adapters/signer-disk/commit-signer-worker.ts";
import { unsigned } from "../../src/domain/signable.ts";
import type { CommitSigner } from "../../src/ports/commit-signer.ts";
import { SIGNED_FILE } from "./signed-file.ts";

const driver = await loadDriver();
const directory = new URL(import.meta.url).searchParams.get("directory") ?? "";

/**
 * The disk signer's part in the ledger's thread, which signs only what another connection to the database can see: what is
 * committed. It writes down what it was asked for.
 */
export function openCommitSigner(port: MessagePort): CommitSigner {
  const signer = open(port);
  return {
    sign(recorded) {
      const { issuanceId } = recorded.record;
      appendFileSync(join(directory, SIGNED_FILE), `${issuanceId}\n`);
      const another = openReader(driver, join(directory, DATABASE_FILE));
      const row = another.get("SELECT 1 AS there FROM issuance WHERE issuance_id = @issuanceId", { issuanceId });
      another.close();
      if (row === undefined) throw unsigned("asked to sign what is not committed");
      return signer.sign(recorded);
    },
  };
}
