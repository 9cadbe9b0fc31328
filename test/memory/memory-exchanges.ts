import { basename } from "node:path";
import { openExchangeVault } from "../../src/adapters/vault-disk/exchange-vault.ts";
import type { EndingsPorts } from "../../src/exchange/endings.ts";
import type { ConfiguredTarget } from "../../src/exchange/exchange-targets.ts";
import type { ExchangeVault } from "../../src/ports/exchange-vault.ts";
import type { Randomness } from "../../src/ports/randomness.ts";

/** Other systems of a broker, over a vault whose files are in memory. */
export function memoryExchanges(
  randomness: Randomness,
  targets: readonly ConfiguredTarget[] = [],
): Pick<EndingsPorts, "targets" | "vault" | "delayed"> {
  return {
    targets: new Map(targets.map((target) => [target.name, target])),
    vault: memoryExchangeVault(randomness),
    delayed: () => undefined,
  };
}

/** The vault over files in memory, which outlive whoever opens it where they are given. */
function memoryExchangeVault(
  randomness: Randomness,
  { key, files }: { readonly key: Uint8Array; readonly files: Map<string, Uint8Array> } = {
    key: randomness.bytes(32),
    files: new Map(),
  },
): ExchangeVault {
  return openExchangeVault({
    directory: "/nowhere",
    key,
    files: {
      async read(path) {
        const content = files.get(basename(path));
        if (content === undefined) throw Object.assign(new Error("no such file"), { code: "ENOENT" });
        return content;
      },
      write: async (_directory, name, content) => void files.set(name, content),
      remove: async (_directory, name) => void files.delete(name),
      list: async () => [...files.keys()],
    },
    randomness,
  });
}
