import { basename } from "node:path";
import { openPrincipalVault } from "../../src/adapters/principal-vault-disk/principal-vault-disk.ts";
import type { PrincipalVault } from "../../src/ports/principal-vault.ts";
import type { Randomness } from "../../src/ports/randomness.ts";

/** The vault over files in memory, for tests and simulations: nothing outlives it. */
export function memoryVault(randomness: Randomness): PrincipalVault {
  const files = new Map<string, Uint8Array>();
  return openPrincipalVault({
    directory: "/nowhere",
    salt: randomness.bytes(32),
    files: {
      async read(path) {
        const content = files.get(basename(path));
        if (content === undefined) throw Object.assign(new Error("no such file"), { code: "ENOENT" });
        return content;
      },
      write: async (_directory, name, content) => void files.set(name, content),
      remove: async (_directory, name) => void files.delete(name),
    },
    randomness,
  });
}
