import {
  readPrivateFile,
  removePrivateFile,
  writePrivateFile,
} from "../../../src/adapters/signer-disk/private-file.ts";
import { systemRandomness } from "../../../src/adapters/system/system-randomness.ts";
import { openPrincipalVault } from "../../../src/adapters/vault-disk/principal-vault.ts";

/** A vault in a directory, with the files that the broker has. */
export function diskVault(directory: string, salt: Uint8Array) {
  return openPrincipalVault({
    directory,
    salt,
    files: { read: readPrivateFile, write: writePrivateFile, remove: removePrivateFile },
    randomness: systemRandomness(),
  });
}
