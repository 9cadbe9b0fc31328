import { readPrivateFile, removePrivateFile, writePrivateFile } from "../adapters/signer-disk/private-file.ts";
import { keepSecret } from "../adapters/signer-disk/secret-file.ts";
import { openPrincipalVault } from "../adapters/vault-disk/principal-vault.ts";
import { BrokerError } from "../domain/errors.ts";
import type { OpenedLedger } from "../ports/ledger.ts";
import type { PrincipalVault } from "../ports/principal-vault.ts";
import type { Randomness } from "../ports/randomness.ts";

const SALT_FILE = "principals.salt";
const SALT_BYTES = 32;

/**
 * Opens the vault of the principals, and makes sure that the keys of those who were erased are gone: the broker may have
 * ended between the erasure's event and the deletion, or somebody may have put a backup back.
 *
 * @throws BrokerError NOT_SERVING when the salt is missing although the ledger knows principals: under another salt nobody
 *   who was offboarded would be recognised. UnsafeFileError for files that others could have read or made
 */
export async function openVault(
  directory: { readonly path: string; readonly principals: string },
  { history, registry, verdict }: Pick<OpenedLedger, "history" | "registry" | "verdict">,
  randomness: Randomness,
): Promise<PrincipalVault> {
  const known = await history.principals({ limit: 1 });
  const salt = await keepSecret(directory.path, SALT_FILE, () => {
    if (known.length === 0) return randomness.bytes(SALT_BYTES);
    throw new BrokerError("NOT_SERVING", "the salt of the principals' digests is missing", {
      detail: `${SALT_FILE} in the data directory: put it back, or whoever was offboarded would be let in again`,
    });
  });
  const vault = openPrincipalVault({
    directory: directory.principals,
    salt,
    files: { read: readPrivateFile, write: writePrivateFile, remove: removePrivateFile },
    randomness,
  });
  // A ledger that went back knows less of who came back than its keys do.
  if (verdict.kind === "rolled-back") return vault;
  for (const { principalId, sealed } of await registry.erasedPrincipals()) await vault.erase(principalId, sealed);
  return vault;
}
