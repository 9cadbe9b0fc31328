import { createKeyFiles } from "../../src/adapters/vault-disk/key-files.ts";
import { openPrincipalVault } from "../../src/adapters/vault-disk/principal-vault.ts";
import type { PrincipalVault } from "../../src/ports/principal-vault.ts";
import type { Randomness } from "../../src/ports/randomness.ts";
import { memoryFiles } from "./memory-files.ts";

/** What a vault keeps on its disk, where it outlives those who open it. */
export type VaultDisk = { readonly salt: Uint8Array; readonly files: Map<string, Uint8Array> };

export function vaultDisk(randomness: Randomness): VaultDisk {
  return { salt: randomness.bytes(32), files: new Map() };
}

/** The vault over files in memory, for tests and simulations. @param disk - absent: nothing outlives it. */
export function memoryVault(
  randomness: Randomness,
  { salt, files }: VaultDisk = vaultDisk(randomness),
): PrincipalVault {
  return openPrincipalVault({
    salt,
    keys: createKeyFiles("/nowhere", memoryFiles(files)),
    randomness,
  });
}
