import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { type CommonSecrets, openCommonSecrets } from "../adapters/ledger-postgres/common-secrets.ts";
import type { SharedLogSettings } from "../adapters/ledger-postgres/shared-log.ts";
import { readPrivateFile, removePrivateFile, writePrivateFile } from "../adapters/signer-disk/private-file.ts";
import { keepSecret } from "../adapters/signer-disk/secret-file.ts";
import { createKeyFiles } from "../adapters/vault-disk/key-files.ts";
import { openPrincipalVault } from "../adapters/vault-disk/principal-vault.ts";
import { type PrivateFiles, readIfThere } from "../adapters/vault-disk/private-files.ts";
import { BrokerError } from "../domain/errors.ts";
import type { Committed } from "../ports/following.ts";
import type { OpenedLedger } from "../ports/ledger.ts";
import type { PrincipalVault } from "../ports/principal-vault.ts";
import type { Randomness } from "../ports/randomness.ts";
import type { Closers } from "./closers.ts";

const SALT_FILE = "principals.salt";
const SALT_BYTES = 32;

/** Files for the broker's user alone. */
export const PRIVATE_FILES: PrivateFiles = {
  read: readPrivateFile,
  write: writePrivateFile,
  remove: removePrivateFile,
  list: (path) => readdir(path),
};

type VaultPlace = { readonly path: string; readonly principals: string };

/**
 * Opens the vault of the principals, and makes sure that the keys of those who were erased are gone: the broker may have
 * ended between the erasure's event and the deletion, or somebody may have put a backup back.
 *
 * @param shared - of a log that several brokers share: they have the salt and the keys in common, beside the log.
 * @param closers - takes what has to be ended.
 * @throws BrokerError NOT_SERVING when the salt is missing although the ledger knows principals: under another salt nobody
 *   who was offboarded would be recognised. UnsafeFileError for files that others could have read or made
 */
export async function openVault(
  directory: VaultPlace,
  {
    ledger,
    history,
    registry,
    verdict,
  }: Pick<OpenedLedger, "history" | "registry" | "verdict"> & {
    readonly ledger: Pick<OpenedLedger["ledger"], "follow" | "head">;
  },
  randomness: Randomness,
  { shared, closers }: { readonly shared: SharedLogSettings | undefined; readonly closers: Closers },
): Promise<PrincipalVault> {
  const known = await history.principals({ limit: 1 });
  const make = () => {
    if (known.length === 0) return randomness.bytes(SALT_BYTES);
    throw new BrokerError("NOT_SERVING", "the salt of the principals' digests is missing", {
      detail:
        shared === undefined
          ? `${SALT_FILE} in the data directory: put it back, or whoever was offboarded would be let in again`
          : "it is in the database of the ledger; a move that was cut short ends with `stintd migrate`, called once more",
    });
  };
  const common = shared === undefined ? undefined : openCommonSecrets(shared);
  if (common !== undefined) closers.push(common.close);
  const vault = openPrincipalVault({
    salt: await (common === undefined ? keepSecret(directory.path, SALT_FILE, make) : common.salt(make)),
    keys: common?.keys ?? createKeyFiles(directory.principals, PRIVATE_FILES),
    randomness,
  });
  if (common !== undefined) closers.push(forgetErased(vault, ledger));
  // A ledger that went back knows less of who came back than its keys do.
  if (verdict.kind === "rolled-back") return vault;
  for (const { principalId, sealed } of await registry.erasedPrincipals()) await vault.erase(principalId, sealed);
  return vault;
}

/** Another broker may have erased somebody of whom something was read here. @returns ends it. */
function forgetErased(vault: PrincipalVault, ledger: Pick<OpenedLedger["ledger"], "follow" | "head">): () => void {
  const take = ({ event }: Committed) => {
    if (event.type === "principal.erased") vault.forget(event.principalId);
  };
  return ledger.follow({ name: "principals that were erased", take }, ledger.head().sequence).end;
}

/**
 * Takes salt and keys to where brokers that share a log have them, and leaves none behind: whoever is erased there must not be
 * readable by what stayed here.
 *
 * @throws BrokerError NOT_SERVING where those brokers know principals by another salt; LEDGER_UNAVAILABLE
 */
export async function moveVault({ path, principals }: VaultPlace, common: CommonSecrets): Promise<void> {
  const salt = await readIfThere(PRIVATE_FILES, join(path, SALT_FILE));
  if (salt === undefined) return;
  const there = await common.salt(() => salt);
  if (Buffer.compare(there, salt) !== 0) {
    throw new BrokerError("NOT_SERVING", "the brokers of that log know principals by another salt");
  }
  const files = createKeyFiles(principals, PRIVATE_FILES);
  for (const principalId of await files.principalIds()) {
    const key = await files.find(principalId);
    if (key !== undefined) await common.keys.keep(principalId, key);
    await files.remove(principalId);
  }
  await PRIVATE_FILES.remove(path, SALT_FILE);
}
