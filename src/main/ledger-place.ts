import { randomBytes } from "node:crypto";
import { readHostFacts } from "../adapters/attestor-unix/host-facts.ts";
import type { DataDirectory } from "../adapters/data-directory/open-data-directory.ts";
import { logElsewhere } from "../adapters/ledger-postgres/log-elsewhere.ts";
import type { SharedLogSettings } from "../adapters/ledger-postgres/shared-log.ts";
import { hasOwnLedger } from "../adapters/ledger-sqlite/seal.ts";
import { readPrivateFile } from "../adapters/signer-disk/private-file.ts";
import { keepSecret } from "../adapters/signer-disk/secret-file.ts";
import type { Config } from "../config/config.ts";
import type { SharedLedgerConfig } from "../config/ledger-section.ts";
import { BrokerError } from "../domain/errors.ts";
import { pemCertificates } from "./pem-certificates.ts";
import { checkNoStandby } from "./standby-mark.ts";

/**
 * Where the ledger is: in the data directory, or a log in PostgreSQL with this broker's tables in the data directory.
 *
 * @throws BrokerError NOT_SERVING where a ledger of its own would be left behind, or the ledger is a standby's copy; UnsafeFileError and others where a file that is named
 *   can't be used
 */
export async function ledgerPlace(
  config: Config,
  directory: DataDirectory,
): Promise<{ readonly directory: string; readonly shared?: ReturnType<typeof logElsewhere> }> {
  const { postgres } = config.ledger;
  await checkNoStandby(directory.path);
  if (postgres === undefined) return { directory: directory.ledger };
  if (await hasOwnLedger(directory.ledger)) {
    throw new BrokerError("NOT_SERVING", "the data directory has a ledger of its own: move it first (stintd migrate)", {
      metadata: { field: "ledger.postgres" },
    });
  }
  const settings = await sharedLogSettings(postgres, directory.path);
  return { directory: directory.replica, shared: logElsewhere(settings) };
}

/** @throws UnsafeFileError, or an error that says for the operator what is wrong with a file */
export async function sharedLogSettings(
  postgres: SharedLedgerConfig,
  dataDirectory: string,
): Promise<SharedLogSettings> {
  const { replica: name, host, port, database, user, passwordFile, ca, isPlain } = postgres;
  // Read with each connection; looked at now, so that a start says what is wrong with it.
  await readPrivateFile(passwordFile);
  const verified = ca === undefined ? {} : { ca: (await pemCertificates(ca)).join("") };
  const { bootId, pidNamespace } = readHostFacts();
  const instance = Buffer.from(await keepSecret(dataDirectory, "replica.id", () => randomBytes(16))).toString("hex");
  return {
    ...{ host, port, database, user, passwordFile, tls: isPlain ? "plain" : verified },
    replica: { name, instance, machine: { bootId, pidNamespace } },
  };
}
