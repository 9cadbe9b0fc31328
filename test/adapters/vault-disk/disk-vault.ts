import { readdir } from "node:fs/promises";
import {
  readPrivateFile,
  removePrivateFile,
  writePrivateFile,
} from "../../../src/adapters/signer-disk/private-file.ts";
import { systemRandomness } from "../../../src/adapters/system/system-randomness.ts";
import { createKeyFiles } from "../../../src/adapters/vault-disk/key-files.ts";
import { openPrincipalVault } from "../../../src/adapters/vault-disk/principal-vault.ts";

/** A vault in a directory, with the files that the broker has. */
export function diskVault(directory: string, salt: Uint8Array) {
  return openPrincipalVault({
    salt,
    keys: createKeyFiles(directory, {
      ...{ read: readPrivateFile, write: writePrivateFile, remove: removePrivateFile },
      list: (path) => readdir(path),
    }),
    randomness: systemRandomness(),
  });
}
