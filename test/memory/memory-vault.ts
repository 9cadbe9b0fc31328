import { openPrincipalVault } from "../../src/adapters/vault-disk/principal-vault.ts";
import type { PrincipalVault } from "../../src/ports/principal-vault.ts";
import type { Randomness } from "../../src/ports/randomness.ts";

/** What a vault keeps, which outlives those who open it: the salt, and the keys by principals' ids. */
export type VaultDisk = { readonly salt: Uint8Array; readonly keys: Map<string, Uint8Array> };

export function vaultDisk(randomness: Randomness): VaultDisk {
  return { salt: randomness.bytes(32), keys: new Map() };
}

/**
 * The vault over keys in memory, for tests and simulations. As in a database, two who open one disk at once have the same key.
 *
 * @param disk - absent: nothing outlives it.
 */
export function memoryVault(randomness: Randomness, { salt, keys }: VaultDisk = vaultDisk(randomness)): PrincipalVault {
  return openPrincipalVault({
    salt,
    keys: {
      find: async (principalId) => keys.get(principalId),
      async keep(principalId, key) {
        const known = keys.get(principalId);
        if (known === undefined) keys.set(principalId, key);
        return known ?? key;
      },
      remove: async (principalId) => void keys.delete(principalId),
    },
    randomness,
  });
}
